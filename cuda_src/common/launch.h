// Launching kernels: the CUDA compiler's way, or (JSRA_HOST_CUDA) the stand-in that runs them on the host.
//
// JSRA_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...): `kernel` must be one token, so name an instance
// first: auto* k = my_kernel<T>;
// JSRA_LAUNCH_FILL(kernel, threads, block, shared_bytes, stream, arguments...): for a kernel with a grid stride, as many
// blocks as `threads` of work need, but not more than the device holds at a time.
// JSRA_DYNAMIC_SHARED(T, name): the block's dynamic shared memory as T* name.
#pragma once
#include "common/macros.h"

#if defined(JSRA_HOST_CUDA)
#include "common/host_cuda.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <vector>

#define JSRA_LAUNCH(kernel, grid, block, shared, stream, ...) kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)
#define JSRA_DYNAMIC_SHARED(T, name)                           \
  extern __shared__ __align__(16) unsigned char jsra_shared[]; \
  T* name = reinterpret_cast<T*>(jsra_shared)

namespace jsra {

// Of the current device; each is asked once.
inline int64_t multiprocessors() {
  static const std::vector<int> counts = [] {
    int devices = 0;
    cudaGetDeviceCount(&devices);
    std::vector<int> found(devices, 0);
    for (int d = 0; d < devices; ++d) cudaDeviceGetAttribute(&found[d], cudaDevAttrMultiProcessorCount, d);
    return found;
  }();
  int device = 0;
  return cudaGetDevice(&device) == cudaSuccess ? counts.at(device) : 1;
}

// The blocks of a kernel that the device holds at a time.
template <class Kernel>
int64_t resident_blocks(Kernel kernel, int block, size_t shared) {
  int blocks = 0;
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, block, shared);
  return blocks * multiprocessors();
}

}  // namespace jsra
#endif

namespace jsra {

// Blocks for `count` threads of work, at most `limit`.
inline unsigned int blocks_for(int64_t count, int64_t block, int64_t limit = 1 << 20) {
  return (unsigned int)max_of<int64_t>(1, min_of<int64_t>((count + block - 1) / block, limit));
}

}  // namespace jsra

#define JSRA_LAUNCH_FILL(kernel, threads, block, shared, stream, ...)                                                \
  JSRA_LAUNCH(kernel, jsra::blocks_for(threads, block, jsra::resident_blocks(kernel, block, shared)), block, shared, \
              stream, __VA_ARGS__)

// Grid-stride loops over [0, count): of single threads, and of teams of `lanes` neighbouring threads.
#define JSRA_FOR_EACH_TEAM(i, lanes, count)                                                                  \
  for (int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / (lanes), jsra_n = (count); i < jsra_n; \
       i += (int64_t)blockDim.x * gridDim.x / (lanes))
#define JSRA_FOR_EACH(i, count) JSRA_FOR_EACH_TEAM(i, 1, count)
