// Depth-wise convolution of channels-last maps (CPU): neighbouring numbers in memory are channels, so every loop over them is
// one of vectors. Threads share out the output's rows; weights are turned to [taps, channels] first.
#pragma once
#include <algorithm>
#include <vector>

#include "common/list.h"
#include "common/macros.h"
#include "depthwise_conv2d/math.h"

namespace jsra {
namespace cpu {

constexpr int64_t DEPTHWISE_BLOCK = 64;   // channels: their sums stay in registers
constexpr int64_t DEPTHWISE_PIECES = 64;  // at most: partial sums of the weight's gradient, added in a fixed order

template <class T>
std::vector<T> depthwise_taps(const T* weight, int64_t channels, int64_t taps) {
  std::vector<T> turned(taps * channels);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t < taps; ++t) turned[t * channels + c] = weight[c * taps + t];
  return turned;
}

// x [batch, size, channels]; weight [channels, 1, kernel]; bias [channels], read if has_bias; out [batch, out_size, channels].
template <class T>
void depthwise_conv2d_forward(const T* x, const T* weight, const T* bias, T* out, int64_t batch, int64_t channels, Ints size,
                              Ints out_size, Ints kernel, int64_t stride, int64_t padding, int64_t has_bias) {
  const int64_t kh = kernel.at[0], kw = kernel.at[1], height = size.at[0], width = size.at[1];
  const std::vector<T> taps = depthwise_taps(weight, channels, kh * kw);
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < batch * out_size.at[0]; ++row) {
    const int64_t b = row / out_size.at[0], top = row % out_size.at[0] * stride - padding;
    const Span rows = taps_inside(top, kh, height);
    for (int64_t c = 0; c < channels; c += DEPTHWISE_BLOCK) {
      const int64_t n = std::min(DEPTHWISE_BLOCK, channels - c);
      for (int64_t ox = 0; ox < out_size.at[1]; ++ox) {
        const int64_t left = ox * stride - padding;
        const Span columns = taps_inside(left, kw, width);
        T sum[DEPTHWISE_BLOCK];
        for (int64_t i = 0; i < n; ++i) sum[i] = has_bias ? bias[c + i] : T(0);
        for (int64_t ky = rows.begin; ky < rows.end; ++ky)
          for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
            const T* from = x + ((b * height + top + ky) * width + left + kx) * channels + c;
            const T* w = taps.data() + (ky * kw + kx) * channels + c;
            for (int64_t i = 0; i < n; ++i) sum[i] += from[i] * w[i];
          }
        std::copy_n(sum, n, out + (row * out_size.at[1] + ox) * channels + c);
      }
    }
  }
}

template <class T>
void depthwise_dx(const T* dout, const T* weight, T* dx, int64_t batch, int64_t channels, Ints size, Ints out_size,
                  Ints kernel, int64_t stride, int64_t padding) {
  const int64_t kh = kernel.at[0], kw = kernel.at[1];
  const std::vector<T> taps = depthwise_taps(weight, channels, kh * kw);
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < batch * size.at[0]; ++row) {
    const int64_t b = row / size.at[0], y = row % size.at[0];
    for (int64_t c = 0; c < channels; c += DEPTHWISE_BLOCK) {
      const int64_t n = std::min(DEPTHWISE_BLOCK, channels - c);
      for (int64_t x = 0; x < size.at[1]; ++x) {
        T sum[DEPTHWISE_BLOCK] = {};
        for (int64_t ky = 0; ky < kh; ++ky) {
          const int64_t oy = output_of(y, ky, stride, padding, out_size.at[0]);
          if (oy < 0) continue;
          for (int64_t kx = 0; kx < kw; ++kx) {
            const int64_t ox = output_of(x, kx, stride, padding, out_size.at[1]);
            if (ox < 0) continue;
            const T* from = dout + ((b * out_size.at[0] + oy) * out_size.at[1] + ox) * channels + c;
            const T* w = taps.data() + (ky * kw + kx) * channels + c;
            for (int64_t i = 0; i < n; ++i) sum[i] += from[i] * w[i];
          }
        }
        std::copy_n(sum, n, dx + (row * size.at[1] + x) * channels + c);
      }
    }
  }
}

// The gradients to x, weight and bias. The last array is the CUDA kernel's scratch.
template <class T>
void depthwise_conv2d_backward(const T* dout, const T* x, const T* weight, T* dx, T* dweight, T* dbias, T*, int64_t batch,
                               int64_t channels, Ints size, Ints out_size, Ints kernel, int64_t stride, int64_t padding) {
  depthwise_dx(dout, weight, dx, batch, channels, size, out_size, kernel, stride, padding);
  const int64_t kh = kernel.at[0], kw = kernel.at[1], taps = kh * kw, out_rows = batch * out_size.at[0];
  const int64_t pieces = std::min(DEPTHWISE_PIECES, out_rows);
  std::vector<double> partial(pieces * (taps + 1) * channels, 0.0);
#pragma omp parallel
  {
    std::vector<T> sums((taps + 1) * DEPTHWISE_BLOCK);
#pragma omp for schedule(static)
    for (int64_t p = 0; p < pieces; ++p)
      for (int64_t row = out_rows * p / pieces; row < out_rows * (p + 1) / pieces; ++row) {
        const int64_t b = row / out_size.at[0], top = row % out_size.at[0] * stride - padding;
        const Span rows = taps_inside(top, kh, size.at[0]);
        for (int64_t c = 0; c < channels; c += DEPTHWISE_BLOCK) {
          const int64_t n = std::min(DEPTHWISE_BLOCK, channels - c);
          std::fill(sums.begin(), sums.end(), T(0));
          for (int64_t ox = 0; ox < out_size.at[1]; ++ox) {
            const int64_t left = ox * stride - padding;
            const Span columns = taps_inside(left, kw, size.at[1]);
            const T* d = dout + (row * out_size.at[1] + ox) * channels + c;
            for (int64_t ky = rows.begin; ky < rows.end; ++ky)
              for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
                const T* from = x + ((b * size.at[0] + top + ky) * size.at[1] + left + kx) * channels + c;
                T* __restrict__ sum = sums.data() + (ky * kw + kx) * DEPTHWISE_BLOCK;
                for (int64_t i = 0; i < n; ++i) sum[i] += d[i] * from[i];
              }
            T* __restrict__ plain = sums.data() + taps * DEPTHWISE_BLOCK;
            for (int64_t i = 0; i < n; ++i) plain[i] += d[i];
          }
          for (int64_t t = 0; t <= taps; ++t)
            for (int64_t i = 0; i < n; ++i)
              partial[(p * (taps + 1) + t) * channels + c + i] += double(sums[t * DEPTHWISE_BLOCK + i]);
        }
      }
  }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t <= taps; ++t) {
      double sum = 0;
      for (int64_t p = 0; p < pieces; ++p) sum += partial[(p * (taps + 1) + t) * channels + c];
      (t < taps ? dweight[c * taps + t] : dbias[c]) = T(sum);
    }
}

}  // namespace cpu
}  // namespace jsra
