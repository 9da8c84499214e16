// The gradient of the mean, or the maximum, of each segment of rows (GPU).
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class T>
__global__ void segment_backward_kernel(const T* dout, const int32_t* offsets, const int32_t* row, T* dvalues,
                                        int64_t count, int64_t channels, bool maximum) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(i, count * channels) {
    const int64_t k = i / channels, c = i % channels, begin = offsets[k], end = offsets[k + 1];
    const T share = T(A(dout[i]) / A(max_of<int64_t>(end - begin, 1)));
    for (int64_t t = begin; t < end; ++t)
      dvalues[t * channels + c] = !maximum ? share : row[i] == t ? dout[i] : T(0);
  }
}

// As jsra::cpu::segment_backward.
template <class T>
void segment_backward(const T* dout, const int32_t* offsets, const int32_t* row, T* dvalues, int64_t count,
                      int64_t channels, int64_t maximum, cudaStream_t stream) {
  if (count * channels == 0) return;
  auto* kernel = segment_backward_kernel<T>;
  JSRA_LAUNCH_FILL(kernel, count * channels, 256, 0, stream, dout, offsets, row, dvalues, count, channels,
                   maximum != 0);
}

}  // namespace cuda
}  // namespace jsra
