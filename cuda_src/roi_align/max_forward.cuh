// RoI Align with the maximum over the samples of a bin, on the GPU, forward.
#pragma once
#include "common/launch.h"
#include "common/list.h"
#include "roi_align/math.h"

namespace jsra {
namespace cuda {

// One thread an output. `argmax` keeps the sample that won, for the backward.
template <class T, class B>
__global__ void roi_align_max_forward_kernel(Pointers<T> features, const B* rois, const int32_t* level, T* out,
                                             int32_t* argmax, int64_t batches, int64_t channels, Ints heights,
                                             Ints widths, Floats scales, int64_t count, int64_t bins_y, int64_t bins_x,
                                             int64_t sampling_ratio, bool aligned) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(index, count * channels * bins_y * bins_x) {
    const int64_t q = index % bins_x, p = index / bins_x % bins_y, c = index / bins_x / bins_y % channels;
    const int64_t k = index / bins_x / bins_y / channels;
    const Roi<A> roi = roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, aligned);
    const int64_t l = roi.level, height = heights.at[l], width = widths.at[l];
    RoiAlignMax<A> best;
    if (roi.valid) {
      const auto ys = roi_align_max_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
      const auto xs = roi_align_max_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
      best = roi_align_max<A>(features.at[l] + (roi.batch * channels + c) * height * width, ys, xs, p, q, height, width);
    }
    out[index] = T(best.value);
    argmax[index] = best.sample;
  }
}

template <class T, class B>
void roi_align_max_forward(Pointers<T> features, const B* rois, const int32_t* level, T* out, int32_t* argmax,
                           int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                           int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, int64_t aligned,
                           cudaStream_t stream) {
  const int64_t total = count * channels * bins_y * bins_x;
  if (total == 0) return;
  auto* kernel = roi_align_max_forward_kernel<T, B>;
  JSRA_LAUNCH_FILL(kernel, total, 256, 0, stream, features, rois, level, out, argmax, batches, channels, heights,
                   widths, scales, count, bins_y, bins_x, sampling_ratio, aligned != 0);
}

}  // namespace cuda
}  // namespace jsra
