// Which elements are finite (CPU).
#pragma once
#include "common/macros.h"

namespace jsra {
namespace cpu {

// x [count] -> out [count].
template <class T> void is_finite_forward(const T* x, bool* out, int64_t count) {
#pragma omp parallel for schedule(static) if (count > 100000)
  for (int64_t i = 0; i < count; ++i) out[i] = is_finite(x[i]);
}

}  // namespace cpu
}  // namespace jsra
