// RoI pooling on the CPU.
#pragma once
#include <algorithm>

#include "common/list.h"
#include "roi_pool/math.h"

namespace jsra {
namespace cpu {

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count];
// out, argmax [count, channels, bins_y, bins_x].
template <class T>
void roi_pool_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, int32_t* argmax,
                      int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                      int64_t bins_y, int64_t bins_x) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t k = 0; k < count; ++k) {
    const int64_t l = level[k], height = heights.at[l], width = widths.at[l], bins = bins_y * bins_x;
    const Roi<A> roi = read_roi(rois + 5 * k, A(scales.at[l]), A(0), batches);
    if (!roi.valid) {
      std::fill_n(out + k * channels * bins, channels * bins, T(0));
      std::fill_n(argmax + k * channels * bins, channels * bins, -1);
      continue;
    }
    const auto ys = roi_pool_axis(roi.y0, roi.y1, bins_y);
    const auto xs = roi_pool_axis(roi.x0, roi.x1, bins_x);
    for (int64_t c = 0, at = k * channels * bins; c < channels; ++c) {
      const T* plane = features.at[l] + (roi.batch * channels + c) * height * width;
      for (int64_t i = 0; i < bins; ++i, ++at) {
        const RoiPoolMax<A> best = roi_pool_max<A>(plane, ys, xs, i / bins_x, i % bins_x, height, width);
        out[at] = T(best.value);
        argmax[at] = best.cell;
      }
    }
  }
}

// The gradient to the features. Threads share out the channels, so that no two write to one cell and every run adds in
// the same order. grads: levels of [batches, channels, height, width]; sums, largest: scratch of the CUDA kernel, unused.
template <class T, class I, class N>
void roi_pool_backward(const T* dout, const T* rois, const int32_t* level, const int32_t* argmax, Pointers<T> grads,
                       Pointers<I>, N*, int64_t batches, int64_t channels, Ints heights, Ints widths, int64_t count,
                       int64_t bins_y, int64_t bins_x) {
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; ++c) {
    for (int l = 0; l < MAX_LIST; ++l)
      for (int64_t b = 0, n = heights.at[l] * widths.at[l]; n > 0 && b < batches; ++b)
        std::fill_n(grads.at[l] + (b * channels + c) * n, n, T(0));
    for (int64_t k = 0; k < count; ++k) {
      const int64_t l = level[k], bins = bins_y * bins_x, first = (k * channels + c) * bins;
      // The batch index of an RoI that is not valid may be anything, but then argmax names no cell.
      for (int64_t i = first; i < first + bins; ++i)
        if (argmax[i] >= 0)
          grads.at[l][((int64_t)rois[5 * k] * channels + c) * heights.at[l] * widths.at[l] + argmax[i]] += dout[i];
    }
  }
}

}  // namespace cpu
}  // namespace jsra
