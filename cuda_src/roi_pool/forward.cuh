// RoI pooling on the GPU, forward.
#pragma once
#include "common/launch.h"
#include "common/list.h"
#include "roi_pool/math.h"

namespace jsra {
namespace cuda {

// One thread an output. `argmax` keeps the cell that won, for the backward.
template <class T, class B>
__global__ void roi_pool_forward_kernel(Pointers<T> features, const B* rois, const int32_t* level, T* out,
                                        int32_t* argmax, int64_t batches, int64_t channels, Ints heights, Ints widths,
                                        Floats scales, int64_t count, int64_t bins_y, int64_t bins_x) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(index, count * channels * bins_y * bins_x) {
    const int64_t q = index % bins_x, p = index / bins_x % bins_y, c = index / bins_x / bins_y % channels;
    const int64_t k = index / bins_x / bins_y / channels;
    const Roi<A> roi = roi_pool_read<A>(rois, level, k, scales, batches);
    const int64_t l = roi.level, height = heights.at[l], width = widths.at[l];
    RoiPoolMax<A> best;
    if (roi.valid)
      best = roi_pool_max<A>(features.at[l] + (roi.batch * channels + c) * height * width,
                             roi_pool_axis(roi.y0, roi.y1, bins_y), roi_pool_axis(roi.x0, roi.x1, bins_x), p, q,
                             height, width);
    out[index] = T(best.value);
    argmax[index] = best.cell;
  }
}

template <class T, class B>
void roi_pool_forward(Pointers<T> features, const B* rois, const int32_t* level, T* out, int32_t* argmax,
                      int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                      int64_t bins_y, int64_t bins_x, cudaStream_t stream) {
  const int64_t total = count * channels * bins_y * bins_x;
  if (total == 0) return;
  auto* kernel = roi_pool_forward_kernel<T, B>;
  JSRA_LAUNCH_FILL(kernel, total, 256, 0, stream, features, rois, level, out, argmax, batches, channels, heights,
                   widths, scales, count, bins_y, bins_x);
}

}  // namespace cuda
}  // namespace jsra
