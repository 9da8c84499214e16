// Position-sensitive RoI pooling on the CPU.
#pragma once
#include "common/window_planes_cpu.h"
#include "ps_roi_pool/math.h"

namespace jsra {
namespace cpu {

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count];
// out [count, channels / bins, bins_y, bins_x]. Unnamed, here and below: scratch of the CUDA kernels.
template <class T>
void ps_roi_pool_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, Pointers<T>,
                         int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                         int64_t bins_y, int64_t bins_x) {
  const PsRoiPool<acc_t<T>, T> plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, 1};
  window_planes_forward(features, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x, out);
}

template <class T, class I, class N>
void ps_roi_pool_backward(const T* dout, const T* rois, const int32_t* level, Pointers<T> grads, Pointers<I>, N*, T*,
                          int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                          int64_t bins_y, int64_t bins_x) {
  const PsRoiPool<acc_t<T>, T> plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, 1};
  window_planes_backward(dout, grads, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x);
}

}  // namespace cpu
}  // namespace jsra
