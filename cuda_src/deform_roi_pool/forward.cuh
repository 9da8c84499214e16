// Deformable RoI pooling on the GPU, forward.
#pragma once
#include "common/window.cuh"
#include "deform_roi_pool/math.h"

namespace jsra {
namespace cuda {

template <class T, class B>
void deform_roi_pool_forward(Pointers<T> features, const B* rois, const int32_t* level, const B* offset, const B* mask,
                             T* out, Pointers<T> maps_last, int64_t batches, int64_t channels, Ints heights,
                             Ints widths, Floats scales, int64_t count, int64_t bins_y, int64_t bins_x,
                             int64_t sampling_ratio, double gamma, int64_t has_offset, int64_t has_mask,
                             cudaStream_t stream) {
  const auto plan = deform_roi_pool_plan<acc_t<T>>(rois, level, offset, mask, has_offset, has_mask, batches, heights,
                                                   widths, scales, bins_y, bins_x, sampling_ratio, gamma);
  window_forward(features, maps_last, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x, false,
                 out, stream);
}

}  // namespace cuda
}  // namespace jsra
