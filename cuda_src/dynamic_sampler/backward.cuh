// The dynamic feature sampler on the GPU, the gradient to the features.
#pragma once
#include "common/window.cuh"
#include "dynamic_sampler/math.h"

namespace jsra {
namespace cuda {

// As jsra::cpu::dynamic_sampler_backward. sums, largest: scratch (common/fixed_point.cuh).
template <class T, class B, class I, class N>
void dynamic_sampler_backward(const T* dout, const B* rois, const int32_t* level, const int32_t* grids,
                              const int32_t* offsets, const int32_t* owner, Pointers<T> grads, Pointers<I> sums,
                              N* largest, int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                              int64_t count, int64_t total, int64_t sampling_ratio, cudaStream_t stream) {
  (void)count;
  const DynamicSampler<acc_t<T>, B> plan{rois,    level,   grids,  offsets,        owner, batches,
                                         heights, widths, scales, sampling_ratio, 1};
  window_backward(dout, grads, sums, largest, MapSizes{batches, channels, heights, widths}, plan, total, channels, 1, 1,
                  false, stream);
}

}  // namespace cuda
}  // namespace jsra
