// CUB for Jittor: the installed one, and for CUB 3 (CUDA 13) the names that it dropped in favour of Thrust's and libcu++'s.
#pragma once
#include_next <cub/cub.cuh>

#if CUB_VERSION >= 300000
#include <cuda/functional>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>

namespace cub {

template <class Value>
using CountingInputIterator = thrust::counting_iterator<Value>;

template <class Value, class Function, class Iterator>
using TransformInputIterator = thrust::transform_iterator<Function, Iterator, Value>;

using Max = cuda::maximum<>;

__device__ __forceinline__ unsigned int LaneId() {
  unsigned int lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}

}  // namespace cub
#endif
