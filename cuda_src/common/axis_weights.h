// The weights of separable sampling along one axis (CPU).
//
// The mean of a bin's bilinear samples is out[p, q] = sum_y sum_x wy[p, y] wx[q, x] X[y, x]: the samples of an axis merge
// into one short list of (cell, weight) for each bin. A cell that several samples or bins touch is loaded once.
#pragma once
#include <cstdint>

#include "common/bilinear.h"

namespace jsra {
namespace cpu {

// `cells` are the map cells that the axis touches. Bin p has the entries first[p] to first[p + 1], each an index into
// `cells` and a weight. Seen from the cells: cell j has the entries by_cell[j] to by_cell[j + 1] of (bin, cell_weight).
template <class A> struct AxisWeights {
  int32_t bins = 0, count = 0;  // count: of cells
  int32_t *cells, *first, *entry, *by_cell, *bin;
  A *weight, *cell_weight;
};

// Upper bound of the entries of one bin. Axis is RoiAlignAxis.
template <class Axis> int64_t axis_bin_capacity(const Axis& axis, int64_t size) {
  // Two cells a sample, and no more cells than the bin spans (with room for rounding) or the map has.
  const int64_t span = axis.bin < size ? (int64_t)axis.bin + 4 : size;
  return min_of(min_of(2 * axis.samples, span), size);
}

// Merges the samples of every bin. `w` has its arrays and w.bins set, with room for bins * axis_bin_capacity entries.
template <class A, class Axis> void axis_weights(const Axis& axis, int64_t size, AxisWeights<A>& w) {
  const int64_t capacity = axis_bin_capacity(axis, size);
  const A norm = A(1) / A(axis.samples);
  int32_t n = 0;
  w.count = 0;
  for (int32_t p = 0; p < w.bins; ++p) {
    const int32_t begin = w.first[p] = n, limit = begin + (int32_t)capacity;
    // Samples come in ascending order, so a cell seen before is one of the last few (rounding may step back a cell).
    auto add = [&](int64_t cell, A value) {
      if (value == A(0)) return;
      int32_t j = w.count - 1;
      while (j >= 0 && j > w.count - 5 && w.cells[j] != cell) --j;
      if (j < 0 || w.cells[j] != cell) w.cells[j = w.count++] = (int32_t)cell;
      int32_t e = n - 1;
      while (e >= begin && e > n - 5 && w.entry[e] != j) --e;
      if (e >= begin && w.entry[e] == j) {
        w.weight[e] += value * norm;
      } else if (n < limit) {
        w.entry[n] = j;
        w.weight[n++] = value * norm;
      }
    };
    int64_t i, end;
    axis.range(p, size, &i, &end);
    for (; i < end; ++i) {
      const Tap<A> t = tap(axis.at(p, i), size);
      add(t.low, t.w_low);
      add(t.high, t.w_high);
    }
  }
  w.first[w.bins] = n;
}

// Fills the lists by cell, which the gradient needs. They keep the order of the bins.
template <class A> void axis_weights_by_cell(AxisWeights<A>& w) {
  for (int32_t j = 0; j <= w.count; ++j) w.by_cell[j] = 0;
  const int32_t n = w.first[w.bins];
  for (int32_t e = 0; e < n; ++e) ++w.by_cell[w.entry[e] + 1];
  for (int32_t j = 0; j < w.count; ++j) w.by_cell[j + 1] += w.by_cell[j];
  for (int32_t p = 0; p < w.bins; ++p)
    for (int32_t e = w.first[p]; e < w.first[p + 1]; ++e) {
      const int32_t at = w.by_cell[w.entry[e]]++;
      w.bin[at] = p;
      w.cell_weight[at] = w.weight[e];
    }
  for (int32_t j = w.count; j > 0; --j) w.by_cell[j] = w.by_cell[j - 1];
  if (w.count >= 0) w.by_cell[0] = 0;
}

}  // namespace cpu
}  // namespace jsra
