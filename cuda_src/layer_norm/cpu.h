// Layer normalisation over the last axis (CPU). Rows stay in the first-level cache between the passes over them.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/macros.h"

namespace jsra {
namespace cpu {

constexpr int64_t LAYER_NORM_STRETCH = 32;  // rows whose gradients are summed in the type of the data
constexpr int64_t LAYER_NORM_PIECES = 64;   // at most: partial sums, added in a fixed order whatever the threads

// x, out [rows, width]; weight, bias [width]; statistics [rows, 2]: mean and 1 / sqrt(variance + eps).
template <class T>
void layer_norm_forward(const T* x, const T* weight, const T* bias, T* out, T* statistics, int64_t rows, int64_t width,
                        double eps) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * width;
    T* target = out + r * width;
    T sum = T(0), square = T(0);
    for (int64_t i = 0; i < width; ++i) sum += row[i];
    const T mean = sum / T(width);
    for (int64_t i = 0; i < width; ++i) square += (row[i] - mean) * (row[i] - mean);
    const T inverse = T(1) / std::sqrt(square / T(width) + T(eps));
    for (int64_t i = 0; i < width; ++i) target[i] = (row[i] - mean) * inverse * weight[i] + bias[i];
    statistics[2 * r] = mean;
    statistics[2 * r + 1] = inverse;
  }
}

// To x [rows, width], weight and bias [width]. The last array is the CUDA kernel's scratch.
template <class T>
void layer_norm_backward(const T* dout, const T* x, const T* weight, const T* statistics, T* dx, T* dweight, T* dbias, T*,
                         int64_t rows, int64_t width) {
  const int64_t pieces = std::min(LAYER_NORM_PIECES, (rows + LAYER_NORM_STRETCH - 1) / LAYER_NORM_STRETCH);
  std::vector<double> partial(2 * pieces * width, 0.0);
#pragma omp parallel
  {
    std::vector<T> sums(2 * width);
    T *along = sums.data(), *plain = along + width;
#pragma omp for schedule(static)
    for (int64_t p = 0; p < pieces; ++p) {
      double* piece = partial.data() + 2 * p * width;
      const int64_t end = rows * (p + 1) / pieces;
      for (int64_t begin = rows * p / pieces; begin < end; begin += LAYER_NORM_STRETCH) {
        std::fill(sums.begin(), sums.end(), T(0));
        for (int64_t r = begin; r < std::min(begin + LAYER_NORM_STRETCH, end); ++r) {
          const T *d = dout + r * width, *row = x + r * width;
          const T mean = statistics[2 * r], inverse = statistics[2 * r + 1];
          T* target = dx + r * width;
          T first = T(0), second = T(0);
#pragma omp simd reduction(+ : first, second)
          for (int64_t i = 0; i < width; ++i) {
            const T normal = (row[i] - mean) * inverse, g = d[i] * weight[i];
            first += g;
            second += g * normal;
            along[i] += d[i] * normal;
            plain[i] += d[i];
          }
          first /= T(width), second /= T(width);
          for (int64_t i = 0; i < width; ++i)
            target[i] = inverse * (d[i] * weight[i] - first - (row[i] - mean) * inverse * second);
        }
        for (int64_t i = 0; i < 2 * width; ++i) piece[i] += double(sums[i]);
      }
    }
  }
  for (int64_t i = 0; i < width; ++i) {
    double along = 0, plain = 0;
    for (int64_t p = 0; p < pieces; ++p) along += partial[2 * p * width + i], plain += partial[(2 * p + 1) * width + i];
    dweight[i] = T(along), dbias[i] = T(plain);
  }
}

}  // namespace cpu
}  // namespace jsra
