// Where the positions of grids lie in one packed array (GPU): a sum of all grids before each, by one block.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

constexpr int PACKING_THREADS = 256;

// Each thread has a stretch of grids of its own.
template <class N> __global__ void packing_kernel(const N* grids, int32_t* offsets, int32_t* summary, int64_t count) {
  JSRA_DYNAMIC_SHARED(int32_t, shared);
  int32_t *sums = shared, *largest = shared + blockDim.x;
  const int64_t stretch = (count + blockDim.x - 1) / blockDim.x;
  const int64_t first = min_of<int64_t>(threadIdx.x * stretch, count), end = min_of(first + stretch, count);
  int32_t sum = 0, sides = 0;
  for (int64_t k = first; k < end; ++k) {
    sum += grids[2 * k] * grids[2 * k + 1];
    sides = max_of<int32_t>(sides, grids[2 * k] + grids[2 * k + 1]);
  }
  sums[threadIdx.x] = sum;
  largest[threadIdx.x] = sides;
  __syncthreads();
  if (threadIdx.x == 0) {
    int32_t total = 0;
    for (unsigned int t = 0; t < blockDim.x; ++t) {
      const int32_t own = sums[t];
      sums[t] = total;
      total += own;
      sides = max_of(sides, largest[t]);
    }
    offsets[count] = total;
    summary[0] = total;
    summary[1] = sides;
  }
  __syncthreads();
  int32_t before = sums[threadIdx.x];
  for (int64_t k = first; k < end; ++k) {
    offsets[k] = before;
    before += grids[2 * k] * grids[2 * k + 1];
  }
}

// As jsra::cpu::packing_forward.
template <class N>
void packing_forward(const N* grids, int32_t* offsets, int32_t* summary, int64_t count, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = packing_kernel<N>;
  JSRA_LAUNCH(kernel, 1, PACKING_THREADS, 2 * PACKING_THREADS * sizeof(int32_t), stream, grids, offsets, summary, count);
}

}  // namespace cuda
}  // namespace jsra
