// The mean, or the maximum, of each segment of rows (CPU).
#pragma once
#include <algorithm>

#include "common/macros.h"

namespace jsra {
namespace cpu {

// values [total, channels]; offsets [count + 1]; out [count, channels], zeros for an empty segment; row [count, channels]:
// the row that the maximum came from, the first of equal ones, or -1 (mean: untouched).
template <class T>
void segment_forward(const T* values, const int32_t* offsets, T* out, int32_t* row, int64_t count, int64_t channels,
                     int64_t maximum) {
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < count; ++k) {
    T* target = out + k * channels;
    int32_t* from = maximum ? row + k * channels : nullptr;
    const int64_t begin = offsets[k], end = offsets[k + 1];
    if (maximum && begin < end) {
      std::copy_n(values + begin * channels, channels, target);
      std::fill_n(from, channels, (int32_t)begin);
      for (int64_t t = begin + 1; t < end; ++t)
        for (int64_t c = 0; c < channels; ++c) {
          const T v = values[t * channels + c];
          const bool more = v > target[c];
          target[c] = more ? v : target[c];
          from[c] = more ? (int32_t)t : from[c];
        }
      continue;
    }
    std::fill_n(target, channels, T(0));
    if (maximum) std::fill_n(from, channels, -1);
    for (int64_t t = begin; t < end; ++t)
      for (int64_t c = 0; c < channels; ++c) target[c] += values[t * channels + c];
    const T share = T(1) / T(std::max<int64_t>(end - begin, 1));
    for (int64_t c = 0; c < channels; ++c) target[c] *= share;
  }
}

// dvalues [total, channels] from dout [count, channels].
template <class T>
void segment_backward(const T* dout, const int32_t* offsets, const int32_t* row, T* dvalues, int64_t count,
                      int64_t channels, int64_t maximum) {
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < count; ++k) {
    const T* source = dout + k * channels;
    const T share = T(1) / T(std::max<int32_t>(offsets[k + 1] - offsets[k], 1));
    for (int64_t t = offsets[k]; t < offsets[k + 1]; ++t)
      for (int64_t c = 0; c < channels; ++c)
        dvalues[t * channels + c] = !maximum ? source[c] * share : row[k * channels + c] == t ? source[c] : T(0);
  }
}

}  // namespace cpu
}  // namespace jsra
