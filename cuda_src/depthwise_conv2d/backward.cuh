// Depth-wise convolution of channels-last maps, backward (GPU). The gradient to the weight is summed in DEPTHWISE_PIECES
// pieces of the output's rows, added in a fixed order: the same bits in every run.
#pragma once
#include "depthwise_conv2d/forward.cuh"

namespace jsra {
namespace cuda {

constexpr int DEPTHWISE_PIECES = 64;  // _PIECES in jsra/ops/depthwise_conv2d.py

template <class T>
__global__ void depthwise_dx_kernel(const T* dout, const T* weight, T* dx, DepthwiseSizes s) {
  JSRA_FOR_EACH(index, s.batch * s.height * s.width * s.channels) {
    const int64_t c = index % s.channels, x = index / s.channels % s.width;
    const int64_t row = index / s.channels / s.width, b = row / s.height;
    acc_t<T> sum = 0;
    for (int64_t ky = 0; ky < s.kh; ++ky) {
      const int64_t oy = output_of(row % s.height, ky, s.stride, s.padding, s.out_height);
      if (oy < 0) continue;
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const int64_t ox = output_of(x, kx, s.stride, s.padding, s.out_width);
        if (ox < 0) continue;
        sum += acc_t<T>(dout[((b * s.out_height + oy) * s.out_width + ox) * s.channels + c]) *
               acc_t<T>(weight[(c * s.kh + ky) * s.kw + kx]);
      }
    }
    dx[index] = T(sum);
  }
}

// partial [DEPTHWISE_PIECES, taps + 1, channels]: of a piece of the rows; the last "tap" is the bias.
template <class T>
__global__ void depthwise_partial_kernel(const T* dout, const T* x, acc_t<T>* partial, DepthwiseSizes s) {
  const int64_t taps = s.kh * s.kw, piece = blockIdx.y, out_rows = s.batch * s.out_height;
  const int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= (taps + 1) * s.channels) return;
  const int64_t c = index % s.channels, tap = index / s.channels, ky = tap / s.kw, kx = tap % s.kw;
  acc_t<T> sum = 0;
  for (int64_t row = out_rows * piece / DEPTHWISE_PIECES; row < out_rows * (piece + 1) / DEPTHWISE_PIECES; ++row) {
    const int64_t y = row % s.out_height * s.stride - s.padding + ky;
    if (tap < taps && (y < 0 || y >= s.height)) continue;
    const T* d = dout + row * s.out_width * s.channels + c;
    const T* from = x + (row / s.out_height * s.height + y) * s.width * s.channels + c;
    for (int64_t ox = 0; ox < s.out_width; ++ox) {
      const int64_t column = ox * s.stride - s.padding + kx;
      if (tap == taps)
        sum += acc_t<T>(d[ox * s.channels]);
      else if (column >= 0 && column < s.width)
        sum += acc_t<T>(d[ox * s.channels]) * acc_t<T>(from[column * s.channels]);
    }
  }
  partial[piece * (taps + 1) * s.channels + index] = sum;
}

template <class T>
__global__ void depthwise_sum_kernel(const acc_t<T>* partial, T* dweight, T* dbias, int64_t channels, int64_t taps) {
  JSRA_FOR_EACH(index, (taps + 1) * channels) {
    const int64_t c = index % channels, tap = index / channels;
    double sum = 0;
    for (int64_t p = 0; p < DEPTHWISE_PIECES; ++p) sum += double(partial[p * (taps + 1) * channels + index]);
    (tap < taps ? dweight[c * taps + tap] : dbias[c]) = T(sum);
  }
}

// As jsra::cpu::depthwise_conv2d_backward. partial: scratch [DEPTHWISE_PIECES, taps + 1, channels].
template <class T, class B>
void depthwise_conv2d_backward(const T* dout, const T* x, const T* weight, T* dx, T* dweight, T* dbias, B* partial,
                               int64_t batch, int64_t channels, Ints size, Ints out_size, Ints kernel, int64_t stride,
                               int64_t padding, cudaStream_t stream) {
  if (channels == 0) return;
  const DepthwiseSizes s = depthwise_sizes(batch, channels, size, out_size, kernel, stride, padding);
  const int64_t count = batch * s.height * s.width * channels, sums = (s.kh * s.kw + 1) * channels;
  if (count) {
    auto* to_x = depthwise_dx_kernel<T>;
    JSRA_LAUNCH_FILL(to_x, count, 256, 0, stream, dout, weight, dx, s);
  }
  auto* piece = depthwise_partial_kernel<T>;
  JSRA_LAUNCH(piece, dim3(blocks_for(sums, 128), DEPTHWISE_PIECES), 128, 0, stream, dout, x, partial, s);
  auto* finish = depthwise_sum_kernel<T>;
  JSRA_LAUNCH_FILL(finish, sums, 128, 0, stream, partial, dweight, dbias, channels, s.kh * s.kw);
}

}  // namespace cuda
}  // namespace jsra
