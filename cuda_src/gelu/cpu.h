// The Gaussian error linear unit (CPU).
#pragma once
#include <algorithm>

#include "gelu/math.h"

namespace jsra {
namespace cpu {

constexpr int64_t GELU_BLOCK = 4096;  // elements a thread takes at a time

template <class T> void gelu_forward(const T* x, T* out, int64_t count) {
#pragma omp parallel for schedule(static)
  for (int64_t begin = 0; begin < count; begin += GELU_BLOCK)
#pragma omp simd
    for (int64_t i = begin; i < std::min(begin + GELU_BLOCK, count); ++i) out[i] = gelu(x[i]);
}

template <class T> void gelu_backward(const T* dout, const T* x, T* dx, int64_t count) {
#pragma omp parallel for schedule(static)
  for (int64_t begin = 0; begin < count; begin += GELU_BLOCK)
#pragma omp simd
    for (int64_t i = begin; i < std::min(begin + GELU_BLOCK, count); ++i) dx[i] = dout[i] * gelu_slope(x[i]);
}

}  // namespace cpu
}  // namespace jsra
