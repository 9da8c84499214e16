// The products of the segments of a packed array with a matrix of their own, on the GPU, backward.
#pragma once
#include "segment_matmul/forward.cuh"

namespace jsra {
namespace cuda {

template <class T>
__global__ void segment_matmul_da_kernel(const T* dout, const T* b, const int32_t* offsets, T* da, int64_t count,
                                         int64_t n, int64_t width) {
  const int64_t total = offsets[count];
  JSRA_FOR_EACH(index, total * width) {
    const int64_t t = index / width, j = index % width, k = segment_of(offsets, count, t);
    acc_t<T> sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += acc_t<T>(dout[t * n + i]) * acc_t<T>(b[(k * n + i) * width + j]);
    da[index] = T(sum);
  }
}

template <class T>
__global__ void segment_matmul_db_kernel(const T* dout, const T* a, const int32_t* offsets, T* db, int64_t count,
                                         int64_t n, int64_t width) {
  JSRA_FOR_EACH(index, count * n * width) {
    const int64_t j = index % width, i = index / width % n, k = index / width / n;
    acc_t<T> sum = 0;
    for (int64_t t = offsets[k]; t < offsets[k + 1]; ++t)
      sum += acc_t<T>(dout[t * n + i]) * acc_t<T>(a[t * width + j]);
    db[index] = T(sum);
  }
}

template <class T>
void segment_matmul_backward(const T* dout, const T* a, const T* b, const int32_t* offsets, T* da, T* db, int64_t count,
                             int64_t n, int64_t width, cudaStream_t stream) {
  if (count * n * width == 0) return;
  auto* to_a = segment_matmul_da_kernel<T>;
  JSRA_LAUNCH_FILL(to_a, count * width * 64, 256, 0, stream, dout, b, offsets, da, count, n, width);
  auto* to_b = segment_matmul_db_kernel<T>;
  JSRA_LAUNCH_FILL(to_b, count * n * width, 256, 0, stream, dout, a, offsets, db, count, n, width);
}

}  // namespace cuda
}  // namespace jsra
