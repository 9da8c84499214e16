// The weights of separable sampling along one axis (CPU).
//
// The mean of a bin's bilinear samples is out[p, q] = sum_y sum_x wy[p, y] wx[q, x] X[y, x]: the samples of an axis merge
// into one short list of (cell, weight) for each bin. A cell that several samples or bins touch is loaded once.
#pragma once
#include <cstdint>

#include "common/macros.h"

namespace jsra {
namespace cpu {

// `cells` are the map cells that the axis touches. Bin p has the entries first[p] to first[p + 1], each an index into
// `cells` and a weight. Seen from the cells: cell j has the entries by_cell[j] to by_cell[j + 1] of (bin, cell_weight).
template <class A> struct AxisWeights {
  int32_t bins = 0, count = 0;  // count: of cells
  int32_t *cells, *first, *entry, *by_cell, *bin;
  A *weight, *cell_weight;
};

// Merges the samples of every bin. `w` has its arrays and w.bins set, with room for `capacity` entries in each bin.
// sampling.merge(axis, p, size, cells, weights, limit) fills in bin p (RoiAlignSampling in roi_plan.h).
template <class A, class Sampling, class Axis>
void axis_weights(const Sampling& sampling, const Axis& axis, int64_t size, int64_t capacity, AxisWeights<A>& w) {
  int32_t n = 0;
  w.count = 0;
  for (int32_t p = 0; p < w.bins; ++p) {
    w.first[p] = n;
    const int32_t end = n + sampling.merge(axis, p, size, w.entry + n, w.weight + n, (int32_t)capacity);
    for (; n < end; ++n) {  // cells to indices into w.cells; neighbouring bins share a few
      const int32_t cell = w.entry[n];
      int32_t j = w.count - 1;
      while (j >= 0 && j > w.count - 5 && w.cells[j] != cell) --j;
      if (j < 0 || w.cells[j] != cell) w.cells[j = w.count++] = cell;
      w.entry[n] = j;
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
