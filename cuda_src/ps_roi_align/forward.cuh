// Position-sensitive RoI Align on the GPU, forward.
#pragma once
#include "common/window.cuh"
#include "ps_roi_align/math.h"

namespace jsra {
namespace cuda {

template <class T, class B>
void ps_roi_align_forward(Pointers<T> features, const B* rois, const int32_t* level, T* out, Pointers<T> maps_last,
                          int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                          int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, cudaStream_t stream) {
  const PsRoiAlign<acc_t<T>, B> plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, sampling_ratio, 1};
  window_forward(features, maps_last, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x, true,
                 out, stream);
}

}  // namespace cuda
}  // namespace jsra
