// RoI Align on rotated boxes on the GPU, forward.
#pragma once
#include "common/window.cuh"
#include "roi_align_rotated/math.h"

namespace jsra {
namespace cuda {

template <class T, class B>
void roi_align_rotated_forward(Pointers<T> features, const B* rois, const int32_t* level, T* out, Pointers<T> maps_last,
                               int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                               int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, int64_t aligned,
                               int64_t clockwise, cudaStream_t stream) {
  const RotatedRoiAlign<acc_t<T>, B> plan{rois,   level,  batches,        heights,      widths,         scales,
                                          bins_y, bins_x, sampling_ratio, aligned != 0, clockwise != 0, 1};
  window_forward(features, maps_last, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x, false,
                 out, stream);
}

}  // namespace cuda
}  // namespace jsra
