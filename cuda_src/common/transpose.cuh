// Batched transposition on the GPU: planes to channels-last and back, read and written in full sectors.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

// What a block does to turn source [batch, rows, columns] into target [batch, columns, rows]: a tile of 32 x 32, each element
// through convert(S) -> T.
template <class S, class T, class F>
__device__ __forceinline__ void transpose_tile(const S* source, T* target, int64_t rows, int64_t columns, F convert) {
  __shared__ T tile[32][33];  // 33: a column lies in 32 different banks
  const int64_t tiles_y = (rows + 31) / 32, tiles_x = (columns + 31) / 32;
  const int64_t b = blockIdx.x / (tiles_y * tiles_x), t = blockIdx.x % (tiles_y * tiles_x);
  const int64_t y0 = t / tiles_x * 32, x0 = t % tiles_x * 32, lane = threadIdx.x % 32;
  source += b * rows * columns;
  target += b * rows * columns;
  for (int64_t y = threadIdx.x / 32; y < 32; y += blockDim.x / 32)
    if (y0 + y < rows && x0 + lane < columns) tile[y][lane] = convert(source[(y0 + y) * columns + x0 + lane]);
  __syncthreads();
  for (int64_t x = threadIdx.x / 32; x < 32; x += blockDim.x / 32)
    if (x0 + x < columns && y0 + lane < rows) target[(x0 + x) * rows + y0 + lane] = tile[lane][x];
}

inline unsigned int transpose_blocks(int64_t batch, int64_t rows, int64_t columns) {
  return (unsigned int)(batch * ((rows + 31) / 32) * ((columns + 31) / 32));
}

template <class T> __global__ void transpose_kernel(const T* source, T* target, int64_t rows, int64_t columns) {
  transpose_tile(source, target, rows, columns, [](T v) { return v; });
}

template <class T>
void transpose(const T* source, T* target, int64_t batch, int64_t rows, int64_t columns, cudaStream_t stream) {
  if (batch * rows * columns == 0) return;
  auto* kernel = transpose_kernel<T>;
  JSRA_LAUNCH(kernel, transpose_blocks(batch, rows, columns), 256, 0, stream, source, target, rows, columns);
}

}  // namespace cuda
}  // namespace jsra
