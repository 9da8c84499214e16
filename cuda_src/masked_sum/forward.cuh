// Masked sums on the GPU, forward: one block of threads for each RoI.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

constexpr int MASKED_SUM_THREADS = 256;
constexpr int MASKED_SUM_TILE = 8;  // masks, or positions, that a thread sums at once for each value it loads

// Strides of out and dout [count, n, channels], or [count, channels, n] if channels_first.
struct MaskedSumLayout {
  int64_t mask, channel;
  MaskedSumLayout(int64_t n, int64_t channels, bool channels_first)
      : mask(channels_first ? 1 : channels), channel(channels_first ? n : 1) {}
};

template <class T, class M>
__global__ void masked_sum_forward_kernel(const T* logits, const T* features, const int32_t* offsets, T* out, M* masks,
                                          int64_t count, int64_t n, int64_t channels, M gamma, MaskedSumLayout layout) {
  for (int64_t k = blockIdx.x; k < count; k += gridDim.x) {
    const int64_t begin = offsets[k], length = offsets[k + 1] - begin;
    const T *z = logits + begin * n, *f = features + begin * channels;
    M* m = masks + begin * n;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
      M most = M(0), sum = M(0);
      for (int64_t l = 0; l < length; ++l) most = l ? max_of(most, gamma * M(z[l * n + i])) : gamma * M(z[i]);
      for (int64_t l = 0; l < length; ++l) {
        const M e = exp(gamma * M(z[l * n + i]) - most);
        m[l * n + i] = e;
        sum += e;
      }
      for (int64_t l = 0; l < length; ++l) m[l * n + i] /= sum;
    }
    __syncthreads();
    const int64_t tiles = (n + MASKED_SUM_TILE - 1) / MASKED_SUM_TILE;
    for (int64_t item = threadIdx.x; item < tiles * channels; item += blockDim.x) {
      const int64_t c = item % channels, first = item / channels * MASKED_SUM_TILE;
      M sum[MASKED_SUM_TILE] = {};
      for (int64_t l = 0; l < length; ++l) {
        const M value = M(f[l * channels + c]);
        for (int i = 0; i < MASKED_SUM_TILE; ++i)
          if (first + i < n) sum[i] += m[l * n + first + i] * value;
      }
      for (int i = 0; i < MASKED_SUM_TILE; ++i)
        if (first + i < n) out[k * n * channels + (first + i) * layout.mask + c * layout.channel] = T(sum[i]);
    }
    __syncthreads();
  }
}

// As jsra::cpu::masked_sum_forward; masks in the type of the accumulation.
template <class T, class M>
void masked_sum_forward(const T* logits, const T* features, const int32_t* offsets, T* out, M* masks, int64_t count,
                        int64_t n, int64_t channels, double gamma, int64_t channels_first, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = masked_sum_forward_kernel<T, M>;
  const MaskedSumLayout layout(n, channels, channels_first != 0);
  JSRA_LAUNCH(kernel, blocks_for(count, 1, 65535), MASKED_SUM_THREADS, 0, stream, logits, features, offsets, out, masks,
              count, n, channels, M(gamma), layout);
}

}  // namespace cuda
}  // namespace jsra
