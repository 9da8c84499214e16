// Products of batches of matrices (GPU): where cuBLAS does not serve.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

constexpr int BMM_TILE = 16;
constexpr int BMM_THREADS = 256;  // BMM_TILE x BMM_TILE

// A block makes a tile of 32 x 32 of one product, 2 x 2 a thread.
template <class T>
__global__ void bmm_forward_kernel(const T* a, const T* b, T* out, int64_t rows, int64_t columns, int64_t depth,
                                   bool a_turned, bool b_turned, int64_t a_step, int64_t b_step) {
  using M = acc_t<T>;
  __shared__ M left[2 * BMM_TILE][BMM_TILE + 1], right[BMM_TILE][2 * BMM_TILE + 1];
  const int64_t tiles = (columns + 2 * BMM_TILE - 1) / (2 * BMM_TILE);
  const int64_t row_tiles = (rows + 2 * BMM_TILE - 1) / (2 * BMM_TILE);
  const int64_t product = blockIdx.x / (tiles * row_tiles), tile = blockIdx.x % (tiles * row_tiles);
  const int64_t top = tile / tiles * 2 * BMM_TILE, start = tile % tiles * 2 * BMM_TILE;
  const int64_t y = threadIdx.x / BMM_TILE, x = threadIdx.x % BMM_TILE;
  a += product * a_step;
  b += product * b_step;
  M sum[2][2] = {};
  for (int64_t l = 0; l < depth; l += BMM_TILE) {
    for (int64_t i = threadIdx.x; i < 2 * BMM_TILE * BMM_TILE; i += blockDim.x) {
      // Neighbouring threads read neighbouring numbers in either order.
      const int64_t r = a_turned ? i % (2 * BMM_TILE) : i / BMM_TILE, k = a_turned ? i / (2 * BMM_TILE) : i % BMM_TILE;
      const int64_t a_at = a_turned ? (l + k) * rows + top + r : (top + r) * depth + l + k;
      left[r][k] = top + r < rows && l + k < depth ? M(a[a_at]) : M(0);
      const int64_t c = b_turned ? i / BMM_TILE : i % (2 * BMM_TILE), m = b_turned ? i % BMM_TILE : i / (2 * BMM_TILE);
      const int64_t b_at = b_turned ? (start + c) * depth + l + m : (l + m) * columns + start + c;
      right[m][c] = start + c < columns && l + m < depth ? M(b[b_at]) : M(0);
    }
    __syncthreads();
    for (int k = 0; k < BMM_TILE; ++k)
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) sum[i][j] += left[y + i * BMM_TILE][k] * right[k][x + j * BMM_TILE];
    __syncthreads();
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      const int64_t r = top + y + i * BMM_TILE, c = start + x + j * BMM_TILE;
      if (r < rows && c < columns) out[(product * rows + r) * columns + c] = T(sum[i][j]);
    }
}

// As jsra::cpu::bmm_forward.
template <class T>
void bmm_forward(const T* a, const T* b, T* out, int64_t batch, int64_t rows, int64_t columns, int64_t depth,
                 int64_t a_turned, int64_t b_turned, int64_t shared_a, int64_t shared_b, cudaStream_t stream) {
  constexpr int64_t SIDE = 2 * BMM_TILE;
  const int64_t blocks = batch * ((rows + SIDE - 1) / SIDE) * ((columns + SIDE - 1) / SIDE);
  if (blocks == 0) return;
  auto* kernel = bmm_forward_kernel<T>;
  JSRA_LAUNCH(kernel, (unsigned int)blocks, BMM_THREADS, 0, stream, a, b, out, rows, columns, depth, a_turned != 0,
              b_turned != 0, shared_a ? 0 : rows * depth, shared_b ? 0 : depth * columns);
}

}  // namespace cuda
}  // namespace jsra
