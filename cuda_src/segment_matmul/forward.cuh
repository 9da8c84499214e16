// The products of the segments of a packed array with a matrix of their own, on the GPU, forward.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

// The segment that holds position t: the last k with offsets[k] <= t.
JSRA_HD int64_t segment_of(const int32_t* offsets, int64_t count, int64_t t) {
  int64_t low = 0, high = count;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (offsets[middle] <= t)
      low = middle;
    else
      high = middle;
  }
  return low;
}

template <class T>
__global__ void segment_matmul_forward_kernel(const T* a, const T* b, const int32_t* offsets, T* out, int64_t count,
                                              int64_t n, int64_t width) {
  const int64_t total = offsets[count];
  JSRA_FOR_EACH(index, total * n) {
    const int64_t t = index / n, i = index % n, k = segment_of(offsets, count, t);
    acc_t<T> sum = 0;
    for (int64_t j = 0; j < width; ++j) sum += acc_t<T>(a[t * width + j]) * acc_t<T>(b[(k * n + i) * width + j]);
    out[index] = T(sum);
  }
}

template <class T>
void segment_matmul_forward(const T* a, const T* b, const int32_t* offsets, T* out, int64_t count, int64_t n,
                            int64_t width, cudaStream_t stream) {
  if (count * n == 0) return;
  auto* kernel = segment_matmul_forward_kernel<T>;
  JSRA_LAUNCH_FILL(kernel, count * n * 64, 256, 0, stream, a, b, offsets, out, count, n, width);
}

}  // namespace cuda
}  // namespace jsra
