// Masked sums on the CPU: for each RoI a softmax over its own positions, and the sums of its features with these weights.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/small_gemm.h"

namespace jsra {
namespace cpu {

// masks[l, n] = softmax over l of gamma * logits[l, n], for the `length` positions of one RoI; rows of masks `stride` apart.
// scratch: 2 * n numbers. At least one position.
template <class T>
void masked_sum_softmax(const T* logits, int64_t length, int64_t n, T gamma, T* masks, int64_t stride, T* scratch) {
  T *most = scratch, *sum = scratch + n;
  for (int64_t i = 0; i < n; ++i) most[i] = gamma * logits[i], sum[i] = T(0);
  for (int64_t l = 1; l < length; ++l)
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) most[i] = max_of(most[i], gamma * logits[l * n + i]);
  for (int64_t l = 0; l < length; ++l)
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const T e = std::exp(gamma * logits[l * n + i] - most[i]);
      masks[l * stride + i] = e;
      sum[i] += e;
    }
  for (int64_t i = 0; i < n; ++i) sum[i] = T(1) / sum[i];
  for (int64_t l = 0; l < length; ++l)
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) masks[l * stride + i] *= sum[i];
}

// A distance of rows of n numbers, whole vectors, that does not put the rows into few sets of the cache.
template <class T> constexpr int64_t spread_stride(int64_t n) { return padded<T>(n) + line<T>(); }

inline int64_t longest(const int32_t* offsets, int64_t count) {
  int64_t most = 0;
  for (int64_t k = 0; k < count; ++k) most = std::max<int64_t>(most, offsets[k + 1] - offsets[k]);
  return most;
}

// logits [total, n]; features [total, channels]; offsets [count + 1]; masks [total, n];
// out [count, n, channels], or [count, channels, n] if channels_first.
template <class T>
void masked_sum_forward(const T* logits, const T* features, const int32_t* offsets, T* out, T* masks, int64_t count,
                        int64_t n, int64_t channels, double gamma, int64_t channels_first) {
  const int64_t most = longest(offsets, count), wide = padded<T>(n), deep = spread_stride<T>(channels);
#pragma omp parallel
  {
    Buffer<T> weights(most * wide + 2 * n), rows(most * deep);
    std::fill_n(weights.data(), most * wide, T(0));
    std::fill_n(rows.data(), most * deep, T(0));
#pragma omp for schedule(dynamic, 4)
    for (int64_t k = 0; k < count; ++k) {
      const int64_t begin = offsets[k], length = offsets[k + 1] - begin;
      T *m = weights.data(), *f = rows.data(), *target = out + k * n * channels;
      if (length == 0) {
        std::fill_n(target, n * channels, T(0));
        continue;
      }
      masked_sum_softmax(logits + begin * n, length, n, T(gamma), m, wide, m + most * wide);
      for (int64_t l = 0; l < length; ++l) {
        std::copy_n(m + l * wide, n, masks + (begin + l) * n);
        std::copy_n(features + (begin + l) * channels, channels, f + l * deep);
      }
      if (channels_first)
        small_gemm<T>(channels, n, length, f, 1, deep, m, wide, target, n);
      else
        small_gemm<T>(n, channels, length, m, 1, wide, f, deep, target, channels);
    }
  }
}

// Gradients to the logits and the features. dout as out; dmasks [total, n], read if has_dmasks; scratch is for CUDA.
template <class T>
void masked_sum_backward(const T* dout, const T* dmasks, const T* masks, const T* features, const int32_t* offsets,
                         T* dlogits, T* dfeatures, T*, int64_t count, int64_t n, int64_t channels, double gamma,
                         int64_t channels_first, int64_t has_dmasks) {
  const int64_t wide = spread_stride<T>(n), deep = spread_stride<T>(channels);
#pragma omp parallel
  {
    // dout of one RoI both ways, with whole vectors to read in each row.
    Buffer<T> by_mask(n * deep), by_channel(channels * wide), sums(n);
    std::fill_n(by_mask.data(), n * deep, T(0));
    std::fill_n(by_channel.data(), channels * wide, T(0));
#pragma omp for schedule(dynamic, 4)
    for (int64_t k = 0; k < count; ++k) {
      const int64_t begin = offsets[k], length = offsets[k + 1] - begin;
      const T *d = dout + k * n * channels, *m = masks + begin * n, *f = features + begin * channels;
      T* dl = dlogits + begin * n;
      if (channels_first) {
        for (int64_t c = 0; c < channels; ++c) std::copy_n(d + c * n, n, by_channel.data() + c * wide);
        small_transpose(d, n, channels, n, by_mask.data(), deep);
      } else {
        for (int64_t i = 0; i < n; ++i) std::copy_n(d + i * channels, channels, by_mask.data() + i * deep);
        small_transpose(d, channels, n, channels, by_channel.data(), wide);
      }
      small_gemm<T>(length, channels, n, m, n, 1, by_mask.data(), deep, dfeatures + begin * channels, channels);
      small_gemm<T>(length, n, channels, f, channels, 1, by_channel.data(), wide, dl, n);
      // Through the softmax: dlogit = gamma * mask * (dmask - sum over positions of mask * dmask).
      std::fill_n(sums.data(), n, T(0));
      for (int64_t l = 0; l < length; ++l)
        for (int64_t i = 0; i < n; ++i) {
          if (has_dmasks) dl[l * n + i] += dmasks[(begin + l) * n + i];
          sums.data()[i] += m[l * n + i] * dl[l * n + i];
        }
      for (int64_t l = 0; l < length; ++l)
        for (int64_t i = 0; i < n; ++i)
          dl[l * n + i] = T(gamma) * m[l * n + i] * (dl[l * n + i] - sums.data()[i]);
    }
  }
}

}  // namespace cpu
}  // namespace jsra
