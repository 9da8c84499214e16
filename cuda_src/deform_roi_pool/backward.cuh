// Deformable RoI pooling on the GPU, backward: to the features, the offsets and the masks.
#pragma once
#include "common/window.cuh"
#include "deform_roi_pool/math.h"

namespace jsra {
namespace cuda {

template <class Plan, class B>
__global__ void deform_roi_pool_finish_kernel(Plan plan, int64_t total, int64_t bins_y, int64_t bins_x,
                                              const float* slopes, B* doffset, B* dmask) {
  JSRA_FOR_EACH(i, total)
  plan.finish(i / bins_x / bins_y, i / bins_x % bins_y, i % bins_x, slopes + i * SLOPES, doffset, dmask);
}

template <class T, class B, class I, class N>
void deform_roi_pool_backward(const T* dout, Pointers<T> features, const B* rois, const int32_t* level, const B* offset,
                              const B* mask, Pointers<T> grads, Pointers<I> sums, N* largest, T* dout_last,
                              float* slopes, B* doffset, B* dmask, int64_t batches, int64_t channels, Ints heights,
                              Ints widths, Floats scales, int64_t count, int64_t bins_y, int64_t bins_x,
                              int64_t sampling_ratio, double gamma, int64_t has_offset, int64_t has_mask,
                              cudaStream_t stream) {
  const auto plan = deform_roi_pool_plan<acc_t<T>>(rois, level, offset, mask, has_offset, has_mask, batches, heights,
                                                   widths, scales, bins_y, bins_x, sampling_ratio, gamma);
  const MapSizes sizes{batches, channels, heights, widths};
  window_backward(dout, dout_last, grads, sums, largest, sizes, plan, count, bins_y, bins_x, false, stream);
  const int64_t total = count * bins_y * bins_x;
  if (total == 0 || (!has_offset && !has_mask)) return;
  window_slopes(dout_last, features, sums, sizes, plan, count, bins_y, bins_x, slopes, stream);
  using Plan = DeformRoiPool<acc_t<T>, B>;
  auto* kernel = deform_roi_pool_finish_kernel<Plan, B>;
  JSRA_LAUNCH_FILL(kernel, total, 256, 0, stream, plan, total, bins_y, bins_x, slopes, doffset, dmask);
}

}  // namespace cuda
}  // namespace jsra
