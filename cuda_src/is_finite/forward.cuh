// Which elements are finite (GPU).
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class T> __global__ void is_finite_kernel(const T* x, bool* out, int64_t count) {
  JSRA_FOR_EACH(i, count) out[i] = is_finite(acc_t<T>(x[i]));
}

// As jsra::cpu::is_finite_forward.
template <class T>
void is_finite_forward(const T* x, bool* out, int64_t count, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = is_finite_kernel<T>;
  JSRA_LAUNCH_FILL(kernel, count, 256, 0, stream, x, out, count);
}

}  // namespace cuda
}  // namespace jsra
