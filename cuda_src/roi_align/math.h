// RoI Align (He et al. 2017): the sampling grid of a bin, shared by the CPU and the CUDA kernels.
#pragma once
#include "common/bilinear.h"
#include "common/roi.h"

namespace jsra {

// Samples per bin and axis are limited, so that the index of a sample within its bin fits into 32 bits. Only a box
// hundreds of thousands of cells long has more.
constexpr int64_t ROI_ALIGN_MAX_SAMPLES = 1 << 15;

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

  // The samples of bin p outside [begin, end) are more than a cell off a map of `size` cells and give nothing, so work is
  // bounded by the map however large the box is. (A few samples inside the range may be off the map too.)
  JSRA_HD void range(int64_t p, int64_t size, int64_t* begin, int64_t* end) const {
    *begin = 0;
    *end = samples;
    const A step = bin / A(samples), origin = start + A(p) * bin;
    if (!(step > A(1e-6))) return;
    const A low = (A(-1) - origin) / step - A(2), high = (A(size) - origin) / step + A(2);
    if (low > A(0)) *begin = low < A(samples) ? (int64_t)low : samples;
    if (high < A(samples)) *end = high > A(*begin) ? (int64_t)high : *begin;
  }
};

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
  return RoiAlignAxis<A>{start, bin, clamp_to<int64_t>(samples, 1, ROI_ALIGN_MAX_SAMPLES)};
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

// Adds the gradient g of a bin's maximum to the cells that it was interpolated from.
template <class A, class T>
JSRA_HD void roi_align_max_add(T* plane, const RoiAlignAxis<A>& ys, const RoiAlignAxis<A>& xs, int64_t p, int64_t q,
                               int32_t sample, int64_t height, int64_t width, A g) {
  if (sample < 0) return;
  const Tap<A> y = tap(ys.at(p, sample / xs.samples), height), x = tap(xs.at(q, sample % xs.samples), width);
  T *above = plane + y.low * width, *below = plane + y.high * width;
  above[x.low] = T(A(above[x.low]) + g * y.w_low * x.w_low);
  above[x.high] = T(A(above[x.high]) + g * y.w_low * x.w_high);
  below[x.low] = T(A(below[x.low]) + g * y.w_high * x.w_low);
  below[x.high] = T(A(below[x.high]) + g * y.w_high * x.w_high);
}

}  // namespace jsra
