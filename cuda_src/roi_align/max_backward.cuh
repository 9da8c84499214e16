// RoI Align with the maximum over the samples of a bin, on the GPU, the gradient to the features.
#pragma once
#include "common/launch.h"
#include "common/list.h"
#include "roi_align/math.h"

namespace jsra {
namespace cuda {

// One thread a channel: it alone writes to its planes, so no atomics and the same bits in every run.
template <class T, class B>
__global__ void roi_align_max_backward_kernel(const T* dout, const B* rois, const int32_t* level, const int32_t* argmax,
                                              Pointers<T> grads, int64_t batches, int64_t channels, Ints heights,
                                              Ints widths, Floats scales, int64_t count, int64_t bins_y, int64_t bins_x,
                                              int64_t sampling_ratio, bool aligned) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(index, batches * channels) {
    const int64_t b = index / channels, c = index % channels;
    for (int l = 0; l < MAX_LIST; ++l)
      if (grads.at[l])
        for (int64_t i = 0, n = heights.at[l] * widths.at[l]; i < n; ++i) grads.at[l][index * n + i] = T(0);
    for (int64_t k = 0; k < count; ++k) {
      const int64_t l = level[k], height = heights.at[l], width = widths.at[l];
      const Roi<A> roi = read_roi(rois + 5 * k, A(scales.at[l]), aligned ? A(0.5) : A(0), batches);
      if (!roi.valid || roi.batch != b) continue;
      const auto ys = roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
      const auto xs = roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
      T* plane = grads.at[l] + index * height * width;
      for (int64_t i = 0, at = (k * channels + c) * bins_y * bins_x; i < bins_y * bins_x; ++i, ++at)
        roi_align_max_add(plane, ys, xs, i / bins_x, i % bins_x, argmax[at], height, width, A(dout[at]));
    }
  }
}

template <class T, class B>
void roi_align_max_backward(const T* dout, const B* rois, const int32_t* level, const int32_t* argmax,
                            Pointers<T> grads, int64_t batches, int64_t channels, Ints heights, Ints widths,
                            Floats scales, int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio,
                            int64_t aligned, cudaStream_t stream) {
  if (batches * channels == 0) return;
  auto* kernel = roi_align_max_backward_kernel<T, B>;
  JSRA_LAUNCH(kernel, blocks_for(batches * channels, 32), 32, 0, stream, dout, rois, level, argmax, grads, batches,
              channels, heights, widths, scales, count, bins_y, bins_x, sampling_ratio, aligned != 0);
}

}  // namespace cuda
}  // namespace jsra
