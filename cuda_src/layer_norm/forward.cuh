// Layer normalisation over the last axis (GPU): one warp a row.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

constexpr int LAYER_NORM_LANES = 32;

// The sum of v over the warp, in every lane.
template <class M> __device__ __forceinline__ M warp_sum(M v) {
  for (int step = LAYER_NORM_LANES / 2; step; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  return v;
}

template <class T, class M>
__global__ void layer_norm_forward_kernel(const T* x, const M* weight, const M* bias, T* out, M* statistics, int64_t rows,
                                          int64_t width, M eps) {
  const int64_t lane = threadIdx.x % LAYER_NORM_LANES;
  JSRA_FOR_EACH_TEAM(r, LAYER_NORM_LANES, rows) {
    const T* row = x + r * width;
    M sum = M(0), square = M(0);
    for (int64_t i = lane; i < width; i += LAYER_NORM_LANES) sum += M(row[i]);
    const M mean = warp_sum(sum) / M(width);
    for (int64_t i = lane; i < width; i += LAYER_NORM_LANES) square += (M(row[i]) - mean) * (M(row[i]) - mean);
    const M inverse = M(1) / sqrt(warp_sum(square) / M(width) + eps);
    for (int64_t i = lane; i < width; i += LAYER_NORM_LANES)
      out[r * width + i] = T((M(row[i]) - mean) * inverse * weight[i] + bias[i]);
    if (lane == 0) statistics[2 * r] = mean, statistics[2 * r + 1] = inverse;
  }
}

// As jsra::cpu::layer_norm_forward.
template <class T, class M>
void layer_norm_forward(const T* x, const M* weight, const M* bias, T* out, M* statistics, int64_t rows, int64_t width,
                        double eps, cudaStream_t stream) {
  if (rows * width == 0) return;
  auto* kernel = layer_norm_forward_kernel<T, M>;
  JSRA_LAUNCH_FILL(kernel, rows * LAYER_NORM_LANES, 256, 0, stream, x, weight, bias, out, statistics, rows, width, M(eps));
}

}  // namespace cuda
}  // namespace jsra
