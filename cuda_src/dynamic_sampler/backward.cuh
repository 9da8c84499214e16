// The dynamic feature sampler on the GPU, the gradient to the features: roi_align's kernel with bins of each RoI's own.
#pragma once
#include "roi_align/backward.cuh"

namespace jsra {
namespace cuda {

// As jsra::cpu::dynamic_sampler_backward.
template <class T, class B>
void dynamic_sampler_backward(const T* dout, const B* rois, const int32_t* level, const int32_t* grids,
                              const int32_t* offsets, Pointers<T> grads, int64_t batches, int64_t channels, Ints heights,
                              Ints widths, Floats scales, int64_t count, int64_t sides, int64_t sampling_ratio,
                              cudaStream_t stream) {
  roi_align_gather(dout, rois, level, grads, batches, channels, heights, widths, scales, count,
                   PackedBins{grids, offsets}, sides, sampling_ratio, true, stream);
}

}  // namespace cuda
}  // namespace jsra
