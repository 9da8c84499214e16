// The Gaussian error linear unit, backward (GPU).
#pragma once
#include "common/launch.h"
#include "gelu/math.h"

namespace jsra {
namespace cuda {

template <class T> __global__ void gelu_backward_kernel(const T* dout, const T* x, T* dx, int64_t count) {
  JSRA_FOR_EACH(i, count) dx[i] = T(acc_t<T>(dout[i]) * gelu_slope(acc_t<T>(x[i])));
}

template <class T>
void gelu_backward(const T* dout, const T* x, T* dx, int64_t count, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = gelu_backward_kernel<T>;
  JSRA_LAUNCH_FILL(kernel, count, 256, 0, stream, dout, x, dx, count);
}

}  // namespace cuda
}  // namespace jsra
