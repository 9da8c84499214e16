// Layer normalisation over the last axis, backward (GPU). The sums over rows are made in LAYER_NORM_PIECES pieces, added in a
// fixed order: the same bits in every run.
#pragma once
#include "layer_norm/forward.cuh"

namespace jsra {
namespace cuda {

constexpr int LAYER_NORM_PIECES = 64;  // _PIECES in jsra/ops/layer_norm.py

template <class T, class M>
__global__ void layer_norm_dx_kernel(const T* dout, const T* x, const M* weight, const M* statistics, T* dx, int64_t rows,
                                     int64_t width) {
  const int64_t lane = threadIdx.x % LAYER_NORM_LANES;
  JSRA_FOR_EACH_TEAM(r, LAYER_NORM_LANES, rows) {
    const int64_t start = r * width;
    const M mean = statistics[2 * r], inverse = statistics[2 * r + 1];
    M first = M(0), second = M(0);
    for (int64_t i = lane; i < width; i += LAYER_NORM_LANES) {
      const M g = M(dout[start + i]) * weight[i];
      first += g;
      second += g * (M(x[start + i]) - mean) * inverse;
    }
    first = warp_sum(first) / M(width), second = warp_sum(second) / M(width);
    for (int64_t i = lane; i < width; i += LAYER_NORM_LANES)
      dx[start + i] =
          T(inverse * (M(dout[start + i]) * weight[i] - first - (M(x[start + i]) - mean) * inverse * second));
  }
}

// partial [LAYER_NORM_PIECES, 2, width]: the gradients to weight and bias of a piece of the rows.
template <class T, class M>
__global__ void layer_norm_partial_kernel(const T* dout, const T* x, const M* statistics, M* partial, int64_t rows,
                                          int64_t width) {
  const int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, piece = blockIdx.y;
  if (i >= width) return;
  M along = M(0), plain = M(0);
  for (int64_t r = rows * piece / LAYER_NORM_PIECES; r < rows * (piece + 1) / LAYER_NORM_PIECES; ++r) {
    const M d = M(dout[r * width + i]);
    along += d * (M(x[r * width + i]) - statistics[2 * r]) * statistics[2 * r + 1];
    plain += d;
  }
  partial[2 * piece * width + i] = along;
  partial[(2 * piece + 1) * width + i] = plain;
}

template <class M> __global__ void layer_norm_sum_kernel(const M* partial, M* dweight, M* dbias, int64_t width) {
  JSRA_FOR_EACH(i, width) {
    double along = 0, plain = 0;
    for (int64_t p = 0; p < LAYER_NORM_PIECES; ++p) {
      along += double(partial[2 * p * width + i]);
      plain += double(partial[(2 * p + 1) * width + i]);
    }
    dweight[i] = M(along), dbias[i] = M(plain);
  }
}

// As jsra::cpu::layer_norm_backward. partial: scratch [LAYER_NORM_PIECES, 2 * width].
template <class T, class M>
void layer_norm_backward(const T* dout, const T* x, const M* weight, const M* statistics, T* dx, M* dweight, M* dbias,
                         M* partial, int64_t rows, int64_t width, cudaStream_t stream) {
  if (width == 0) return;
  if (rows) {
    auto* to_x = layer_norm_dx_kernel<T, M>;
    JSRA_LAUNCH_FILL(to_x, rows * LAYER_NORM_LANES, 256, 0, stream, dout, x, weight, statistics, dx, rows, width);
  }
  auto* sum = layer_norm_partial_kernel<T, M>;
  JSRA_LAUNCH(sum, dim3(blocks_for(width, 64), LAYER_NORM_PIECES), 64, 0, stream, dout, x, statistics, partial, rows, width);
  auto* finish = layer_norm_sum_kernel<M>;
  JSRA_LAUNCH_FILL(finish, width, 64, 0, stream, partial, dweight, dbias, width);
}

}  // namespace cuda
}  // namespace jsra
