// Launching kernels: the CUDA compiler's way, or (JSRA_HOST_CUDA) the stand-in that runs them on the host.
//
// JSRA_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...): `kernel` must be one token, so name an instance
// first: auto* k = my_kernel<T>;
// JSRA_DYNAMIC_SHARED(T, name): the block's dynamic shared memory as T* name.
#pragma once
#include "common/macros.h"

#if defined(JSRA_HOST_CUDA)
#include "common/host_cuda.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#define JSRA_LAUNCH(kernel, grid, block, shared, stream, ...) kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)
#define JSRA_DYNAMIC_SHARED(T, name)                           \
  extern __shared__ __align__(16) unsigned char jsra_shared[]; \
  T* name = reinterpret_cast<T*>(jsra_shared)
#endif

namespace jsra {

// Blocks for `count` threads of work; at most `limit`, so kernels loop with a grid stride.
inline unsigned int blocks_for(int64_t count, int64_t block, int64_t limit = 1 << 20) {
  return (unsigned int)max_of<int64_t>(1, min_of<int64_t>((count + block - 1) / block, limit));
}

}  // namespace jsra

// A grid-stride loop over [0, count).
#define JSRA_FOR_EACH(i, count)                                                          \
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, jsra_n = (count); i < jsra_n; \
       i += (int64_t)blockDim.x * gridDim.x)
