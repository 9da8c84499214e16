// Depth-wise convolution of channels-last maps (CPU): neighbouring numbers in memory are channels, so loops over them are
// vectorised. Rows are divided among the threads; weights are transposed to [taps, channels] first.
#pragma once
#include <algorithm>
#include <vector>

#include "common/channels_last.h"
#include "common/list.h"
#include "depthwise_conv2d/math.h"

namespace jsra {
namespace cpu {

constexpr int64_t DEPTHWISE_PIECES = 64;  // at most: partial sums of the weight's gradient, added in a fixed order

template <class T>
std::vector<T> depthwise_taps(const T* weight, int64_t channels, int64_t taps) {
  std::vector<T> turned(taps * channels);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t < taps; ++t) turned[t * channels + c] = weight[c * taps + t];
  return turned;
}

// A tap of an output: pointers to the first channel of its input and of its weight.
template <class T> struct Tap {
  const T *from, *weight;
};

// out[0, channels) = bias (null: 0) plus the sum of the taps.
template <class T>
void sum_taps(const std::vector<Tap<T>>& taps, const T* bias, T* out, int64_t channels) {
  using V = typename Vector<T>::type;
  using U = typename Vector<T>::unaligned;
  constexpr int64_t N = Vector<T>::LANES, VECTORS = 4;
  int64_t c = 0;
  for (; c + VECTORS * N <= channels; c += VECTORS * N) {
    V sum[VECTORS];
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; ++j) sum[j] = bias ? V(*reinterpret_cast<const U*>(bias + c + j * N)) : V{};
    for (const Tap<T>& tap : taps)
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; ++j)
        sum[j] += *reinterpret_cast<const U*>(tap.from + c + j * N) * *reinterpret_cast<const U*>(tap.weight + c + j * N);
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; ++j) *reinterpret_cast<U*>(out + c + j * N) = sum[j];
  }
  for (; c < channels; ++c) {
    T sum = bias ? bias[c] : T(0);
    for (const Tap<T>& tap : taps) sum += tap.from[c] * tap.weight[c];
    out[c] = sum;
  }
}

// x [batch, size, channels]; weight [channels, 1, kernel]; bias [channels], read if has_bias; out [batch, out_size,
// channels].
template <class T>
void depthwise_conv2d_forward(const T* x, const T* weight, const T* bias, T* out, int64_t batch, int64_t channels, Ints size,
                              Ints out_size, Ints kernel, int64_t stride, int64_t padding, int64_t has_bias) {
  const int64_t kh = kernel.at[0], kw = kernel.at[1], height = size.at[0], width = size.at[1];
  const std::vector<T> turned = depthwise_taps(weight, channels, kh * kw);
#pragma omp parallel
  {
    std::vector<Tap<T>> taps;
#pragma omp for schedule(static)
    for (int64_t row = 0; row < batch * out_size.at[0]; ++row) {
      const int64_t b = row / out_size.at[0], top = row % out_size.at[0] * stride - padding;
      const Span rows = taps_inside(top, kh, height);
      for (int64_t ox = 0; ox < out_size.at[1]; ++ox) {
        const int64_t left = ox * stride - padding;
        const Span columns = taps_inside(left, kw, width);
        taps.clear();
        for (int64_t ky = rows.begin; ky < rows.end; ++ky)
          for (int64_t kx = columns.begin; kx < columns.end; ++kx)
            taps.push_back(Tap<T>{x + ((b * height + top + ky) * width + left + kx) * channels,
                                  turned.data() + (ky * kw + kx) * channels});
        sum_taps(taps, has_bias ? bias : nullptr, out + (row * out_size.at[1] + ox) * channels, channels);
      }
    }
  }
}

template <class T>
void depthwise_dx(const T* dout, const T* weight, T* dx, int64_t batch, int64_t channels, Ints size, Ints out_size,
                  Ints kernel, int64_t stride, int64_t padding) {
  const int64_t kh = kernel.at[0], kw = kernel.at[1];
  const std::vector<T> turned = depthwise_taps(weight, channels, kh * kw);
#pragma omp parallel
  {
    std::vector<Tap<T>> taps;
#pragma omp for schedule(static)
    for (int64_t row = 0; row < batch * size.at[0]; ++row) {
      const int64_t b = row / size.at[0], y = row % size.at[0];
      for (int64_t x = 0; x < size.at[1]; ++x) {
        taps.clear();
        for (int64_t ky = 0; ky < kh; ++ky) {
          const int64_t oy = output_of(y, ky, stride, padding, out_size.at[0]);
          for (int64_t kx = 0; oy >= 0 && kx < kw; ++kx) {
            const int64_t ox = output_of(x, kx, stride, padding, out_size.at[1]);
            if (ox >= 0)
              taps.push_back(Tap<T>{dout + ((b * out_size.at[0] + oy) * out_size.at[1] + ox) * channels,
                                    turned.data() + (ky * kw + kx) * channels});
          }
        }
        sum_taps<T>(taps, nullptr, dx + (row * size.at[1] + x) * channels, channels);
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
    std::vector<T> sums((taps + 1) * channels);  // of a row
#pragma omp for schedule(static)
    for (int64_t p = 0; p < pieces; ++p)
      for (int64_t row = out_rows * p / pieces; row < out_rows * (p + 1) / pieces; ++row) {
        const int64_t b = row / out_size.at[0], top = row % out_size.at[0] * stride - padding;
        const Span rows = taps_inside(top, kh, size.at[0]);
        std::fill(sums.begin(), sums.end(), T(0));
        for (int64_t ox = 0; ox < out_size.at[1]; ++ox) {
          const int64_t left = ox * stride - padding;
          const Span columns = taps_inside(left, kw, size.at[1]);
          const T* __restrict__ d = dout + (row * out_size.at[1] + ox) * channels;
          for (int64_t ky = rows.begin; ky < rows.end; ++ky)
            for (int64_t kx = columns.begin; kx < columns.end; ++kx) {
              const T* __restrict__ from = x + ((b * size.at[0] + top + ky) * size.at[1] + left + kx) * channels;
              T* __restrict__ sum = sums.data() + (ky * kw + kx) * channels;
              for (int64_t c = 0; c < channels; ++c) sum[c] += d[c] * from[c];
            }
          T* __restrict__ plain = sums.data() + taps * channels;
          for (int64_t c = 0; c < channels; ++c) plain[c] += d[c];
        }
        for (int64_t i = 0; i < (taps + 1) * channels; ++i) partial[p * (taps + 1) * channels + i] += double(sums[i]);
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
