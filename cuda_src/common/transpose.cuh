// Batched transposition on the GPU: planes to channels-last and back, read and written in full sectors.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

// source [batch, rows, columns] to target [batch, columns, rows]: one block a tile of 32 x 32.
template <class T>
__global__ void transpose_kernel(const T* source, T* target, int64_t rows, int64_t columns, int64_t tiles_y,
                                 int64_t tiles_x) {
  __shared__ T tile[32][33];  // 33: a column lies in 32 different banks
  const int64_t b = blockIdx.x / (tiles_y * tiles_x), t = blockIdx.x % (tiles_y * tiles_x);
  const int64_t y0 = t / tiles_x * 32, x0 = t % tiles_x * 32, lane = threadIdx.x % 32;
  source += b * rows * columns;
  target += b * rows * columns;
  for (int64_t y = threadIdx.x / 32; y < 32; y += blockDim.x / 32)
    if (y0 + y < rows && x0 + lane < columns) tile[y][lane] = source[(y0 + y) * columns + x0 + lane];
  __syncthreads();
  for (int64_t x = threadIdx.x / 32; x < 32; x += blockDim.x / 32)
    if (x0 + x < columns && y0 + lane < rows) target[(x0 + x) * rows + y0 + lane] = tile[lane][x];
}

template <class T>
void transpose(const T* source, T* target, int64_t batch, int64_t rows, int64_t columns, cudaStream_t stream) {
  const int64_t tiles_y = (rows + 31) / 32, tiles_x = (columns + 31) / 32;
  if (batch * rows * columns == 0) return;
  auto* kernel = transpose_kernel<T>;
  JSRA_LAUNCH(kernel, (unsigned int)(batch * tiles_y * tiles_x), 256, 0, stream, source, target, rows, columns, tiles_y,
              tiles_x);
}

}  // namespace cuda
}  // namespace jsra
