// The dynamic feature sampler on the GPU, forward: roi_align's kernel with bins of each RoI's own.
#pragma once
#include "roi_align/forward.cuh"

namespace jsra {
namespace cuda {

// maps_last: scratch of the size of the features. The rest: as jsra::cpu::dynamic_sampler_forward.
template <class T, class B>
void dynamic_sampler_forward(Pointers<T> features, const B* rois, const int32_t* level, const int32_t* grids,
                             const int32_t* offsets, T* out, Pointers<T> maps_last, int64_t batches, int64_t channels,
                             Ints heights, Ints widths, Floats scales, int64_t count, int64_t sides,
                             int64_t sampling_ratio, cudaStream_t stream) {
  if (count * channels == 0) return;
  roi_align_sample(features, rois, level, out, maps_last, batches, channels, heights, widths, scales, count,
                   PackedBins{grids, offsets}, sides, 0, sampling_ratio, true, stream);
}

}  // namespace cuda
}  // namespace jsra
