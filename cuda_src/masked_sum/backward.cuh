// Masked sums on the GPU, the gradients to the logits and the features: one block of threads for each RoI.
#pragma once
#include "masked_sum/forward.cuh"

namespace jsra {
namespace cuda {

template <class T, class M>
__global__ void masked_sum_backward_kernel(const T* dout, const M* dmasks, const M* masks, const T* features,
                                           const int32_t* offsets, T* dlogits, T* dfeatures, M* scratch, int64_t count,
                                           int64_t n, int64_t channels, M gamma, MaskedSumLayout layout, bool has_dmasks) {
  for (int64_t k = blockIdx.x; k < count; k += gridDim.x) {
    const int64_t begin = offsets[k], length = offsets[k + 1] - begin;
    const T *d = dout + k * n * channels, *f = features + begin * channels;
    const M* m = masks + begin * n;
    M* dm = scratch + begin * n;
    // To the features: the masks' weighted sums of dout.
    const int64_t tiles = (length + MASKED_SUM_TILE - 1) / MASKED_SUM_TILE;
    for (int64_t item = threadIdx.x; item < tiles * channels; item += blockDim.x) {
      const int64_t c = item % channels, first = item / channels * MASKED_SUM_TILE;
      M sum[MASKED_SUM_TILE] = {};
      for (int64_t i = 0; i < n; ++i) {
        const M value = M(d[i * layout.mask + c * layout.channel]);
        for (int j = 0; j < MASKED_SUM_TILE; ++j)
          if (first + j < length) sum[j] += m[(first + j) * n + i] * value;
      }
      for (int j = 0; j < MASKED_SUM_TILE; ++j)
        if (first + j < length) dfeatures[(begin + first + j) * channels + c] = T(sum[j]);
    }
    // To the masks: products of features and dout; the lanes of a warp share out the channels.
    const int64_t lane = threadIdx.x % warpSize, warps = blockDim.x / warpSize;
    for (int64_t item = threadIdx.x / warpSize; item < length * n; item += warps) {
      const int64_t l = item / n, i = item % n;
      M sum = M(0);
      for (int64_t c = lane; c < channels; c += warpSize)
        sum += M(f[l * channels + c]) * M(d[i * layout.mask + c * layout.channel]);
      for (int offset = warpSize / 2; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
      if (lane == 0) dm[item] = sum + (has_dmasks ? dmasks[begin * n + item] : M(0));
    }
    __syncthreads();
    // Through the softmax.
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
      M sum = M(0);
      for (int64_t l = 0; l < length; ++l) sum += m[l * n + i] * dm[l * n + i];
      for (int64_t l = 0; l < length; ++l)
        dlogits[(begin + l) * n + i] = T(gamma * m[l * n + i] * (dm[l * n + i] - sum));
    }
    __syncthreads();
  }
}

// As jsra::cpu::masked_sum_backward. scratch [total, n].
template <class T, class M>
void masked_sum_backward(const T* dout, const M* dmasks, const M* masks, const T* features, const int32_t* offsets,
                         T* dlogits, T* dfeatures, M* scratch, int64_t count, int64_t n, int64_t channels, double gamma,
                         int64_t channels_first, int64_t has_dmasks, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = masked_sum_backward_kernel<T, M>;
  const MaskedSumLayout layout(n, channels, channels_first != 0);
  JSRA_LAUNCH(kernel, blocks_for(count, 1, 65535), MASKED_SUM_THREADS, 0, stream, dout, dmasks, masks, features, offsets,
              dlogits, dfeatures, scratch, count, n, channels, M(gamma), layout, has_dmasks != 0);
}

}  // namespace cuda
}  // namespace jsra
