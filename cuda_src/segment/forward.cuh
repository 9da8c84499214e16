// The mean, or the maximum, of each segment of rows (GPU).
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class T>
__global__ void segment_forward_kernel(const T* values, const int32_t* offsets, T* out, int32_t* row, int64_t count,
                                       int64_t channels, bool maximum) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(i, count * channels) {
    const int64_t k = i / channels, c = i % channels, begin = offsets[k], end = offsets[k + 1];
    A result = A(0);
    int64_t from = -1;
    for (int64_t t = begin; t < end; ++t) {
      const A v = A(values[t * channels + c]);
      if (!maximum) {
        result += v;
      } else if (from < 0 || v > result) {
        result = v;
        from = t;
      }
    }
    out[i] = T(maximum ? result : result / A(max_of<int64_t>(end - begin, 1)));
    if (maximum) row[i] = (int32_t)from;
  }
}

// As jsra::cpu::segment_forward.
template <class T>
void segment_forward(const T* values, const int32_t* offsets, T* out, int32_t* row, int64_t count, int64_t channels,
                     int64_t maximum, cudaStream_t stream) {
  if (count * channels == 0) return;
  auto* kernel = segment_forward_kernel<T>;
  JSRA_LAUNCH_FILL(kernel, count * channels, 256, 0, stream, values, offsets, out, row, count, channels, maximum != 0);
}

}  // namespace cuda
}  // namespace jsra
