// Launching kernels: the CUDA compiler's way, or (JSRA_HOST_CUDA) the stand-in that runs them on the host.
//
// JSRA_LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...): `kernel` must be one token, so name an instance
// first: auto* k = my_kernel<T>; A launch that the device refuses (too many registers or threads, too much shared memory,
// no image for it) throws std::runtime_error with the name of the function that launches, which Jittor raises in Python.
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

#include <stdexcept>
#include <string>
#include <vector>

#define JSRA_LAUNCH(kernel, grid, block, shared, stream, ...) \
  jsra::launch(__func__, kernel, (grid), (block), (shared), (stream), __VA_ARGS__)
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

// Why the device refused a launch, with what the kernel takes. `status` is the error of the launch itself: one of a kernel that
// ran before shows when Jittor synchronises.
inline std::runtime_error refused(const char* function, const void* kernel, dim3 grid, dim3 block, size_t shared,
                                  cudaError_t status) {
  cudaGetLastError();  // reported here, so not once more by whoever asks next
  cudaFuncAttributes takes = {};
  const bool known = cudaFuncGetAttributes(&takes, kernel) == cudaSuccess;
  if (!known) cudaGetLastError();
  const unsigned long long threads = 1ull * block.x * block.y * block.z, blocks = 1ull * grid.x * grid.y * grid.z;
  std::string text = std::string("CUDA kernel of ") + function + " was not launched: " + cudaGetErrorString(status) + " (" +
                     cudaGetErrorName(status) + "); " + std::to_string(blocks) + " blocks of " + std::to_string(threads) +
                     " threads, " + std::to_string(shared) + " bytes of dynamic shared memory";
  if (known)
    text += "; it has " + std::to_string(takes.numRegs) + " registers a thread, " + std::to_string(takes.sharedSizeBytes) +
            " bytes of static shared memory, and room for " + std::to_string(takes.maxThreadsPerBlock) + " threads and " +
            std::to_string(takes.maxDynamicSharedSizeBytes) + " dynamic bytes";
  return std::runtime_error(text);
}

template <class T> struct as_is { using type = T; };

// Arguments are converted to the kernel's parameter types P, as a call would.
template <class... P>
void launch(const char* function, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
            typename as_is<P>::type... arguments) {
  void* pointers[] = {(void*)&arguments...};
  const auto* address = reinterpret_cast<const void*>(kernel);
  const cudaError_t status = cudaLaunchKernel(address, grid, block, pointers, shared, stream);
  if (status != cudaSuccess) throw refused(function, address, grid, block, shared, status);
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
