// The products of the segments of a packed array with a matrix of their own, on the CPU.
#pragma once
#include <algorithm>

#include "common/macros.h"

namespace jsra {
namespace cpu {

// a [total, width]; b [count, n, width]; offsets [count + 1]; out [total, n]: out[t, i] = a[t] . b[k, i] for t of segment k.
template <class T>
void segment_matmul_forward(const T* a, const T* b, const int32_t* offsets, T* out, int64_t count, int64_t n,
                            int64_t width) {
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t k = 0; k < count; ++k)
    for (int64_t t = offsets[k]; t < offsets[k + 1]; ++t)
      for (int64_t i = 0; i < n; ++i) {
        const T *x = a + t * width, *y = b + (k * n + i) * width;
        T sum = T(0);
        for (int64_t j = 0; j < width; ++j) sum += x[j] * y[j];
        out[t * n + i] = sum;
      }
}

template <class T>
void segment_matmul_backward(const T* dout, const T* a, const T* b, const int32_t* offsets, T* da, T* db, int64_t count,
                             int64_t n, int64_t width) {
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t k = 0; k < count; ++k) {
    const T* y = b + k * n * width;
    T* dy = db + k * n * width;
    std::fill(dy, dy + n * width, T(0));
    for (int64_t t = offsets[k]; t < offsets[k + 1]; ++t) {
      const T* x = a + t * width;
      T* dx = da + t * width;
      std::fill(dx, dx + width, T(0));
      for (int64_t i = 0; i < n; ++i) {
        const T d = dout[t * n + i];
        for (int64_t j = 0; j < width; ++j) {
          dx[j] += d * y[i * width + j];
          dy[i * width + j] += d * x[j];
        }
      }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
