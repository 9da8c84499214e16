// RoI Align (He et al. 2017): the sampling grid of a bin, shared by the CPU and the CUDA kernels.
#pragma once
#include "common/bilinear.h"
#include "common/roi.h"

namespace jsra {

// How one RoI is sampled along one axis: `samples` points in each of the bins of `bin` cells, from `start`.
template <class A> struct RoiAlignAxis {
  A start, bin;
  int64_t samples;

  // The coordinate, in cells, of sample i of bin p: samples lie at the centres of equal parts of the bin.
  // Operation by operation as torchvision has it.
  JSRA_HD A at(int64_t p, int64_t i) const {
    const A base = rounded(start + rounded(A(p) * bin));
    return rounded(base + rounded(rounded((A(i) + A(0.5)) * bin) / rounded(A(samples))));
  }

  // The samples of bin p outside [begin, end) are not within [low, high], in cells. (A few inside may not be either.)
  JSRA_HD void between(int64_t p, A low, A high, int64_t* begin, int64_t* end) const {
    *begin = 0;
    *end = samples;
    const A step = bin / A(samples), origin = start + A(p) * bin;
    if (!(step > A(1e-6))) return;
    const A first = (low - origin) / step - A(2), last = (high - origin) / step + A(2);
    if (first > A(0)) *begin = first < A(samples) ? (int64_t)first : samples;
    if (last < A(samples)) *end = last > A(*begin) ? (int64_t)last : *begin;
  }

  // Those that may lie on a map of `size` cells: the rest, more than a cell off, give nothing. So work is bounded by the
  // map however large the box is.
  JSRA_HD void range(int64_t p, int64_t size, int64_t* begin, int64_t* end) const {
    between(p, A(-1), A(size), begin, end);
  }
};

// Row k of rois, as RoI Align reads it. A box of no width or no height has samples where their number is given (at one
// point, or along a line) and in legacy RoIs; adaptive sampling gives it none.
template <class A, class B>
JSRA_HD Roi<A> roi_align_read(const B* rois, const int32_t* level, int64_t k, const Floats& scales, int64_t batches,
                              int64_t sampling_ratio, bool aligned) {
  return read_roi(rois, level, k, scales, aligned ? A(0.5) : A(0), batches, !aligned || sampling_ratio > 0);
}

// sampling_ratio <= 0 is adaptive: one sample for each cell that a bin spans, rounded up. Legacy RoIs (aligned=False)
// are at least one cell long.
template <class A>
JSRA_HD RoiAlignAxis<A> roi_align_axis(A start, A size, int64_t bins, int64_t sampling_ratio, bool aligned) {
  if (!aligned) size = max_of(size, A(1));
  const A bin = rounded(size / rounded(A(bins)));  // the inner one keeps -Ofast from multiplying by 1 / bins
  int64_t samples = sampling_ratio;
  if (samples <= 0) {
    // ceil(size / bins), by products: under -Ofast the quotient may be size * (1 / bins), rounded twice.
    samples = (int64_t)bin;
    while (samples > 1 && A((samples - 1) * bins) >= size) --samples;
    while (A(samples * bins) < size) ++samples;
  }
  return RoiAlignAxis<A>{start, bin, max_of<int64_t>(samples, 1)};
}

// Merges the samples of bin p into at most `limit` cells and weights, which sum up to 1 where all samples lie on the map.
// Returns how many. `limit`: roi_align_bin_capacity.
template <class A>
JSRA_HD int32_t roi_align_merge_bin(const RoiAlignAxis<A>& axis, int64_t p, int64_t size, int32_t* cells, A* weights,
                                    int32_t limit) {
  const A norm = A(1) / A(axis.samples);
  int32_t n = 0;
  int64_t i, end;
  axis.range(p, size, &i, &end);
  for (; i < end; ++i) {
    const Tap<A> t = tap(axis.at(p, i), size);
    for (int side = 0; side < 2; ++side) {
      const int32_t cell = (int32_t)(side ? t.high : t.low);
      const A weight = norm * (side ? t.w_high : t.w_low);
      if (weight == A(0)) continue;
      // Samples come in ascending order, so a cell seen before is one of the last few (rounding may step back a cell).
      int32_t e = n - 1;
      while (e >= 0 && e > n - 5 && cells[e] != cell) --e;
      if (e >= 0 && cells[e] == cell) {
        weights[e] += weight;
      } else if (n < limit) {
        cells[n] = cell;
        weights[n++] = weight;
      }
    }
  }
  return n;
}

// Upper bound of the cells of one bin: two a sample, and no more than the bin spans (with room for rounding).
template <class A> JSRA_HD int64_t roi_align_bin_capacity(const RoiAlignAxis<A>& axis, int64_t size) {
  const int64_t span = axis.bin < A(size) ? (int64_t)axis.bin + 4 : size;
  return min_of(min_of(2 * axis.samples, span), size);
}

// The weight of one cell in bin p.
template <class A> JSRA_HD A roi_align_cell_weight(const RoiAlignAxis<A>& axis, int64_t p, int64_t cell, int64_t size) {
  int64_t i, end;
  axis.between(p, A(cell - 1), A(cell + 1), &i, &end);
  A sum = A(0);
  for (; i < end; ++i) {
    const Tap<A> t = tap(axis.at(p, i), size);
    if (t.low == cell) sum += t.w_low;
    if (t.high == cell) sum += t.w_high;
  }
  return sum / A(axis.samples);
}

// For the maximum, where the index of a sample within its bin must fit into 32 bits: at most 2^15 samples along an axis.
// Only a bin tens of thousands of cells long would have more.
template <class A>
JSRA_HD RoiAlignAxis<A> roi_align_max_axis(A start, A size, int64_t bins, int64_t sampling_ratio, bool aligned) {
  RoiAlignAxis<A> axis = roi_align_axis(start, size, bins, sampling_ratio, aligned);
  axis.samples = min_of<int64_t>(axis.samples, 1 << 15);
  return axis;
}

// The maximum over the samples of a bin, and the one that it came from: i * xs.samples + j, or -1 for none (the map's
// outside, which is 0; or no valid RoI).
template <class A> struct RoiAlignMax {
  A value = A(0);
  int32_t sample = -1;
};

template <class A, class T>
JSRA_HD RoiAlignMax<A> roi_align_max(const T* plane, const RoiAlignAxis<A>& ys, const RoiAlignAxis<A>& xs, int64_t p,
                                     int64_t q, int64_t height, int64_t width) {
  int64_t i0, i1, j0, j1;
  ys.range(p, height, &i0, &i1);
  xs.range(q, width, &j0, &j1);
  RoiAlignMax<A> best;
  bool any = (i1 - i0) * (j1 - j0) < ys.samples * xs.samples;  // some lie outside: 0 is a candidate
  for (int64_t i = i0; i < i1; ++i)
    for (int64_t j = j0; j < j1; ++j) {
      const Tap<A> y = tap(ys.at(p, i), height), x = tap(xs.at(q, j), width);
      const T *above = plane + y.low * width, *below = plane + y.high * width;
      const A value = y.w_low * (x.w_low * A(above[x.low]) + x.w_high * A(above[x.high])) +
                      y.w_high * (x.w_low * A(below[x.low]) + x.w_high * A(below[x.high]));
      if (any && !(value > best.value)) continue;
      any = true;
      best.value = value;
      best.sample = (int32_t)(i * xs.samples + j);
    }
  return best;
}

// The four cells (y * width + x) that sample i * xs.samples + j of a bin is interpolated from, and their weights.
template <class A> struct RoiAlignTaps {
  int64_t cell[4];
  A weight[4];
};

template <class A>
JSRA_HD RoiAlignTaps<A> roi_align_taps(const RoiAlignAxis<A>& ys, const RoiAlignAxis<A>& xs, int64_t p, int64_t q,
                                       int32_t sample, int64_t height, int64_t width) {
  const Tap<A> y = tap(ys.at(p, sample / xs.samples), height), x = tap(xs.at(q, sample % xs.samples), width);
  return RoiAlignTaps<A>{
      {y.low * width + x.low, y.low * width + x.high, y.high * width + x.low, y.high * width + x.high},
      {y.w_low * x.w_low, y.w_low * x.w_high, y.w_high * x.w_low, y.w_high * x.w_high}};
}

}  // namespace jsra
