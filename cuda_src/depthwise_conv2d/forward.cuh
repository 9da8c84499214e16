// Depth-wise convolution of channels-last maps (GPU): neighbouring threads take neighbouring channels.
#pragma once
#include "common/launch.h"
#include "common/list.h"
#include "depthwise_conv2d/math.h"

namespace jsra {
namespace cuda {

// The sizes of a convolution; a map has height * width positions, its output out_height * out_width.
struct DepthwiseSizes {
  int64_t batch, channels, height, width, out_height, out_width, kh, kw, stride, padding;
};

inline DepthwiseSizes depthwise_sizes(int64_t batch, int64_t channels, Ints size, Ints out_size, Ints kernel, int64_t stride,
                                      int64_t padding) {
  return DepthwiseSizes{batch,          channels,     size.at[0],   size.at[1], out_size.at[0],
                        out_size.at[1], kernel.at[0], kernel.at[1], stride,     padding};
}

template <class T>
__global__ void depthwise_conv2d_forward_kernel(const T* x, const T* weight, const T* bias, T* out, DepthwiseSizes s,
                                                bool has_bias) {
  JSRA_FOR_EACH(index, s.batch * s.out_height * s.out_width * s.channels) {
    const int64_t c = index % s.channels, ox = index / s.channels % s.out_width;
    const int64_t row = index / s.channels / s.out_width, b = row / s.out_height;
    const int64_t top = row % s.out_height * s.stride - s.padding, left = ox * s.stride - s.padding;
    const Span rows = taps_inside(top, s.kh, s.height), columns = taps_inside(left, s.kw, s.width);
    acc_t<T> sum = has_bias ? acc_t<T>(bias[c]) : acc_t<T>(0);
    for (int64_t ky = rows.begin; ky < rows.end; ++ky)
      for (int64_t kx = columns.begin; kx < columns.end; ++kx)
        sum += acc_t<T>(x[((b * s.height + top + ky) * s.width + left + kx) * s.channels + c]) *
               acc_t<T>(weight[(c * s.kh + ky) * s.kw + kx]);
    out[index] = T(sum);
  }
}

// As jsra::cpu::depthwise_conv2d_forward.
template <class T>
void depthwise_conv2d_forward(const T* x, const T* weight, const T* bias, T* out, int64_t batch, int64_t channels, Ints size,
                              Ints out_size, Ints kernel, int64_t stride, int64_t padding, int64_t has_bias,
                              cudaStream_t stream) {
  const DepthwiseSizes s = depthwise_sizes(batch, channels, size, out_size, kernel, stride, padding);
  const int64_t count = batch * s.out_height * s.out_width * channels;
  if (count == 0) return;
  auto* run = depthwise_conv2d_forward_kernel<T>;
  JSRA_LAUNCH_FILL(run, count, 256, 0, stream, x, weight, bias, out, s, has_bias != 0);
}

}  // namespace cuda
}  // namespace jsra
