// Precise RoI pooling on the CPU.
#pragma once
#include "common/window_cpu.h"
#include "precise_roi_pool/math.h"

namespace jsra {
namespace cpu {

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count];
// out [count, channels, bins_y, bins_x]. Unnamed, here and below: scratch of the CUDA kernels.
template <class T>
void precise_roi_pool_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, Pointers<T>,
                              int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                              int64_t count, int64_t bins_y, int64_t bins_x) {
  const PreciseRoiPool<acc_t<T>, T> plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, 1};
  window_forward(features, MapSizes{batches, channels, heights, widths}, plan, count, bins_y, bins_x, out);
}

// slopes [count, bins_y * bins_x, SLOPES]: scratch.
template <class T, class I, class N>
void precise_roi_pool_backward(const T* dout, Pointers<T> features, const T* rois, const int32_t* level,
                               Pointers<T> grads, Pointers<I>, N*, T*, acc_t<T>* slopes, T* drois, int64_t batches,
                               int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                               int64_t bins_y, int64_t bins_x) {
  const PreciseRoiPool<acc_t<T>, T> plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, 1};
  const MapSizes sizes{batches, channels, heights, widths};
  window_backward(dout, grads, sizes, plan, count, bins_y, bins_x);
  window_slopes(dout, features, sizes, plan, count, bins_y, bins_x, slopes);
  for (int64_t k = 0; k < count; ++k) plan.finish(k, slopes, drois);
}

}  // namespace cpu
}  // namespace jsra
