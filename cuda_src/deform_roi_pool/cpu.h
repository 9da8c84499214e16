// Deformable RoI pooling on the CPU.
#pragma once
#include "common/window_cpu.h"
#include "deform_roi_pool/math.h"

namespace jsra {
namespace cpu {

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count]; offset [count, 2, bins_y,
// bins_x]; mask [count, bins_y, bins_x]; out [count, channels, bins_y, bins_x].
// Unnamed, here and below: scratch of the CUDA kernels.
template <class T>
void deform_roi_pool_forward(Pointers<T> features, const T* rois, const int32_t* level, const T* offset, const T* mask,
                             T* out, Pointers<T>, int64_t batches, int64_t channels, Ints heights, Ints widths,
                             Floats scales, int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio,
                             double gamma, int64_t has_offset, int64_t has_mask) {
  const auto plan = deform_roi_pool_plan<acc_t<T>>(rois, level, offset, mask, has_offset, has_mask, batches, heights,
                                                   widths, scales, bins_y, bins_x, sampling_ratio, gamma);
  window_forward(features, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x, out);
}

// slopes [count, bins_y * bins_x, SLOPES]: scratch.
template <class T, class I, class N>
void deform_roi_pool_backward(const T* dout, Pointers<T> features, const T* rois, const int32_t* level, const T* offset,
                              const T* mask, Pointers<T> grads, Pointers<I>, N*, T*, acc_t<T>* slopes, T* doffset,
                              T* dmask, int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                              int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, double gamma,
                              int64_t has_offset, int64_t has_mask) {
  const auto plan = deform_roi_pool_plan<acc_t<T>>(rois, level, offset, mask, has_offset, has_mask, batches, heights,
                                                   widths, scales, bins_y, bins_x, sampling_ratio, gamma);
  const MapSizes sizes{batches, channels, heights, widths};
  window_backward(dout, grads, sizes, plan, count, bins_y, bins_x);
  if (!has_offset && !has_mask) return;
  window_slopes(dout, features, sizes, plan, count, bins_y, bins_x, slopes);
  for (int64_t i = 0; i < count * bins_y * bins_x; ++i)
    plan.finish(i / bins_x / bins_y, i / bins_x % bins_y, i % bins_x, slopes + i * SLOPES, doffset, dmask);
}

}  // namespace cpu
}  // namespace jsra
