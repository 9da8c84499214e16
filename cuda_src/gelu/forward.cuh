// The Gaussian error linear unit (GPU).
#pragma once
#include "common/launch.h"
#include "gelu/math.h"

namespace jsra {
namespace cuda {

template <class T> __global__ void gelu_forward_kernel(const T* x, T* out, int64_t count) {
  JSRA_FOR_EACH(i, count) out[i] = T(gelu(acc_t<T>(x[i])));
}

template <class T>
void gelu_forward(const T* x, T* out, int64_t count, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = gelu_forward_kernel<T>;
  JSRA_LAUNCH_FILL(kernel, count, 256, 0, stream, x, out, count);
}

}  // namespace cuda
}  // namespace jsra
