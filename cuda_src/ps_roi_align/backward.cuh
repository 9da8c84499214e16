// Position-sensitive RoI Align on the GPU, backward.
#pragma once
#include "common/window.cuh"
#include "ps_roi_align/math.h"

namespace jsra {
namespace cuda {

template <class T, class B, class I, class N>
void ps_roi_align_backward(const T* dout, const B* rois, const int32_t* level, Pointers<T> grads, Pointers<I> sums,
                           N* largest, T* dout_last, int64_t batches, int64_t channels, Ints heights, Ints widths,
                           Floats scales, int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio,
                           cudaStream_t stream) {
  const PsRoiAlign<acc_t<T>, B> plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, sampling_ratio, 1};
  window_backward(dout, dout_last, grads, sums, largest, MapSizes{batches, channels, heights, widths}, plan, count,
                  bins_y, bins_x, true, stream);
}

}  // namespace cuda
}  // namespace jsra
