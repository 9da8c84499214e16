// RoI Align on rotated boxes on the GPU, backward.
#pragma once
#include "common/window.cuh"
#include "roi_align_rotated/math.h"

namespace jsra {
namespace cuda {

template <class T, class B, class I, class N>
void roi_align_rotated_backward(const T* dout, const B* rois, const int32_t* level, Pointers<T> grads, Pointers<I> sums,
                                N* largest, T* dout_last, int64_t batches, int64_t channels, Ints heights, Ints widths,
                                Floats scales, int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio,
                                int64_t aligned, int64_t clockwise, cudaStream_t stream) {
  const RotatedRoiAlign<acc_t<T>, B> plan{rois,   level,  batches,        heights,      widths,         scales,
                                          bins_y, bins_x, sampling_ratio, aligned != 0, clockwise != 0, 1};
  window_backward(dout, dout_last, grads, sums, largest, MapSizes{batches, channels, heights, widths}, plan, count,
                  bins_y, bins_x, false, stream);
}

}  // namespace cuda
}  // namespace jsra
