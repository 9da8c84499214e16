// The dynamic feature sampler on the GPU, forward.
#pragma once
#include "common/window.cuh"
#include "dynamic_sampler/math.h"

namespace jsra {
namespace cuda {

// As jsra::cpu::dynamic_sampler_forward.
template <class T, class B>
void dynamic_sampler_forward(Pointers<T> features, const B* rois, const int32_t* level, const int32_t* grids,
                             const int32_t* offsets, const int32_t* owner, T* out, int64_t batches, int64_t channels,
                             Ints heights, Ints widths, Floats scales, int64_t count, int64_t total,
                             int64_t sampling_ratio, cudaStream_t stream) {
  (void)count;
  const DynamicSampler<acc_t<T>, B> plan{rois,    level,   grids,  offsets,        owner, batches,
                                         heights, widths, scales, sampling_ratio, 1};
  window_forward(features, MapSizes{batches, channels, heights, widths}, plan, total, channels, 1, 1, false, out, stream);
}

}  // namespace cuda
}  // namespace jsra
