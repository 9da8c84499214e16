// Precise RoI pooling on the GPU, forward.
#pragma once
#include "common/window.cuh"
#include "precise_roi_pool/math.h"

namespace jsra {
namespace cuda {

template <class T, class B>
void precise_roi_pool_forward(Pointers<T> features, const B* rois, const int32_t* level, T* out, Pointers<T> maps_last,
                              int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                              int64_t count, int64_t bins_y, int64_t bins_x, cudaStream_t stream) {
  const PreciseRoiPool<acc_t<T>, B> plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, 1};
  window_forward(features, maps_last, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x, false,
                 out, stream);
}

}  // namespace cuda
}  // namespace jsra
