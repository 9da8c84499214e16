// Precise RoI pooling on the GPU, backward: to the features and to the boxes.
#pragma once
#include "common/window.cuh"
#include "precise_roi_pool/math.h"

namespace jsra {
namespace cuda {

template <class Plan, class B>
__global__ void precise_roi_pool_finish_kernel(Plan plan, int64_t count, const float* slopes, B* drois) {
  JSRA_FOR_EACH(k, count) plan.finish(k, slopes, drois);
}

template <class T, class B, class I, class N>
void precise_roi_pool_backward(const T* dout, Pointers<T> features, const B* rois, const int32_t* level,
                               Pointers<T> grads, Pointers<I> sums, N* largest, T* dout_last, float* slopes, B* drois,
                               int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                               int64_t count, int64_t bins_y, int64_t bins_x, cudaStream_t stream) {
  using Plan = PreciseRoiPool<acc_t<T>, B>;
  const Plan plan{rois, level, batches, heights, widths, scales, bins_y, bins_x, 1};
  const MapSizes sizes{batches, channels, heights, widths};
  window_backward(dout, dout_last, grads, sums, largest, sizes, plan, count, bins_y, bins_x, false, stream);
  if (count == 0) return;
  window_slopes(dout_last, features, sums, sizes, plan, count, bins_y, bins_x, slopes, stream);
  auto* kernel = precise_roi_pool_finish_kernel<Plan, B>;
  JSRA_LAUNCH_FILL(kernel, count, 128, 0, stream, plan, count, slopes, drois);
}

}  // namespace cuda
}  // namespace jsra
