// A convolution, at inference with what follows it in a detector, in one pass (CPU): relu(convolution * scale + bias + added).
//
// Maps stay as they are, [batch, channels, height, width]: a 1 x 1 convolution is a product of the weights and the map
// itself, any other one a product with the map's patches, gathered block by block, or (3 x 3) Winograd's products. Threads
// share out blocks of positions small enough to stay in the caches. The products are oneDNN's, whose library Jittor has
// loaded.
#pragma once
#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "common/list.h"
#include "fused_conv/weight_grad.h"
#include "fused_conv/winograd.h"

namespace jsra {
namespace cpu {

constexpr int64_t CONV_BLOCK = 1 << 18;       // numbers of a block of outputs, about
constexpr int64_t CONV_MIN_COLUMNS = 256;     // positions of a block: fewer make slow products
constexpr int64_t WINOGRAD_MIN_TILES = 128;

// The terms added to the sums: bias [outputs], and `added` [batch, outputs, rows, columns] (rows 0: none), of which each
// output position reads the nearest one, floor(y * rows / height); then an optional ReLU.
struct ConvTail {
  const float *bias, *added;
  int64_t rows, columns, height, width, relu;
  std::vector<int32_t> column;  // column of `added` for each column of the output; empty if they are the same

  ConvTail(const float* bias, const float* added, int64_t rows, int64_t columns, int64_t height, int64_t width, int64_t relu)
      : bias(bias), added(added), rows(rows), columns(columns), height(height), width(width), relu(relu) {
    if (rows && columns != width) {
      column.resize(width);
      for (int64_t x = 0; x < width; ++x) column[x] = (int32_t)(x * columns / width);
    }
  }

  // out[0, n): positions x.. of row y of `plane` (b * outputs + o), from `sums`, which may be `out` itself.
  void row(const float* sums, float* out, int64_t plane, int64_t o, int64_t y, int64_t x, int64_t n) const {
    if (relu)
      finish<true>(sums, out, plane, o, y, x, n);
    else
      finish<false>(sums, out, plane, o, y, x, n);
  }

  // Without a ReLU nothing is compared: under -Ofast a maximum with any bound would replace a NaN by that bound.
  template <bool RELU>
  void finish(const float* sums, float* out, int64_t plane, int64_t o, int64_t y, int64_t x, int64_t n) const {
    const float shift = bias[o];
    const auto tail = [](float v) { return RELU ? std::max(v, 0.f) : v; };
    if (!rows) {
      for (int64_t i = 0; i < n; ++i) out[i] = tail(sums[i] + shift);
      return;
    }
    const float* from = added + (plane * rows + y * rows / height) * columns;
    if (column.empty()) {
      for (int64_t i = 0; i < n; ++i) out[i] = tail(sums[i] + shift + from[x + i]);
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = tail(sums[i] + shift + from[column[x + i]]);
    }
  }
};

// Patches of positions [begin, begin + n) of the output: to[(c * kh + i) * kw + j][n].
inline void conv_patches(const float* x, int64_t channels, int64_t height, int64_t width, int64_t out_width, Ints kernel,
                         Ints stride, Ints padding, Ints dilation, int64_t begin, int64_t n, float* to) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < kernel.at[0]; ++i)
      for (int64_t j = 0; j < kernel.at[1]; ++j) {
        for (int64_t p = 0; p < n;) {
          const int64_t oy = (begin + p) / out_width, ox = (begin + p) % out_width;
          const int64_t length = std::min(n - p, out_width - ox);
          const int64_t y = oy * stride.at[0] - padding.at[0] + i * dilation.at[0];
          const int64_t first = ox * stride.at[1] - padding.at[1] + j * dilation.at[1], step = stride.at[1];
          float* __restrict__ line = to + p;
          if (y < 0 || y >= height) {
            std::memset(line, 0, sizeof(float) * length);
          } else {
            const float* row = x + (c * height + y) * width;
            // [from, until): the positions whose column lies in the map.
            const int64_t from = std::min(length, first >= 0 ? (int64_t)0 : (-first + step - 1) / step);
            const int64_t until = std::max(from, first >= width ? from : std::min(length, (width - 1 - first) / step + 1));
            for (int64_t q = 0; q < from; ++q) line[q] = 0.f;
            if (step == 2)
              for (int64_t q = from; q < until; ++q) line[q] = row[first + 2 * q];
            else
              for (int64_t q = from; q < until; ++q) line[q] = row[first + step * q];
            for (int64_t q = until; q < length; ++q) line[q] = 0.f;
          }
          p += length;
        }
        to += n;
      }
}

// The index of the weight of (output, channel, tap 0) in w [outputs, channels, taps]. Turned: in w [channels, outputs, taps]
// with the taps in reverse order, as for the gradient of a convolution's input.
inline int64_t weight_place(int64_t o, int64_t c, int64_t outputs, int64_t channels, int64_t taps, bool turned) {
  return turned ? (c * outputs + o) * taps + taps - 1 : (o * channels + c) * taps;
}

// to [outputs, channels, taps]: the weights, times their output's scale (nullptr: 1).
inline void prepare_weights(const float* w, const float* scale, float* to, int64_t outputs, int64_t channels, int64_t taps,
                            bool turned) {
  constexpr int64_t N = 16;  // outputs whose turned weights are read together
  const int64_t size = channels * taps;
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < outputs; block += N) {
    const int64_t end = std::min(block + N, outputs);
    if (turned)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t o = block; o < end; ++o) {
          const float* from = w + weight_place(o, c, outputs, channels, taps, true);
          for (int64_t k = 0; k < taps; ++k) to[o * size + c * taps + k] = from[-k];
        }
    for (int64_t o = block; o < end && (scale || !turned); ++o) {
      const float *from = turned ? to : w, factor = scale ? scale[o] : 1.f;
      for (int64_t i = o * size; i < (o + 1) * size; ++i) to[i] = from[i] * factor;
    }
  }
}

// to [36, outputs, channels], Winograd's form of w [outputs, channels, 3, 3] times its output's scale (nullptr: 1).
inline void winograd_weights(const float* w, const float* scale, float* to, int64_t outputs, int64_t channels, bool turned) {
  constexpr int N = 32;  // kernels side by side
  const int64_t count = outputs * channels, groups = (channels + N - 1) / N;
#pragma omp parallel for schedule(static)
  for (int64_t task = 0; task < outputs * groups; ++task) {
    const int64_t o = task / groups, c = task % groups * N, n = std::min((int64_t)N, channels - c);
    const float* from = w + weight_place(o, c, outputs, channels, 9, turned);
    const int64_t next = turned ? outputs * 9 : 9, step = turned ? -1 : 1;
    const float factor = scale ? scale[o] : 1.f;
    float g[9][N] = {}, half[3][WINOGRAD_IN][N], full[WINOGRAD_IN * WINOGRAD_IN][N];
    for (int64_t l = 0; l < n; ++l)
      for (int k = 0; k < 9; ++k) g[k][l] = from[l * next + k * step] * factor;
    for (int j = 0; j < 3; ++j)
      for (int l = 0; l < N; ++l) {
        float t[WINOGRAD_IN];
        winograd::weight(g[j][l], g[3 + j][l], g[6 + j][l], t);
        for (int i = 0; i < WINOGRAD_IN; ++i) half[j][i][l] = t[i];
      }
    for (int i = 0; i < WINOGRAD_IN; ++i)
      for (int l = 0; l < N; ++l) {
        float t[WINOGRAD_IN];
        winograd::weight(half[0][i][l], half[1][i][l], half[2][i][l], t);
        for (int j = 0; j < WINOGRAD_IN; ++j) full[i * WINOGRAD_IN + j][l] = t[j];
      }
    for (int k = 0; k < WINOGRAD_IN * WINOGRAD_IN; ++k)
      std::memcpy(to + k * count + o * channels + c, full[k], sizeof(float) * n);
  }
}

inline void conv_product(int64_t rows, int64_t columns, int64_t depth, const float* a, const float* b, int64_t b_stride,
                         float* out, int64_t out_stride) {
  dnnl_sgemm('N', 'N', rows, columns, depth, 1.f, a, depth, b, b_stride, 0.f, out, out_stride);
}

// x [batch, channels, height, width]; weight [outputs, channels, kernel]; out [batch, outputs, out_height, out_width].
inline void conv_by_patches(const float* x, const float* weight, const ConvTail& tail, float* out, int64_t batch,
                            int64_t channels, int64_t height, int64_t width, int64_t outputs, Ints kernel, Ints stride,
                            Ints padding, Ints dilation) {
  const int64_t positions = tail.height * tail.width, taps = kernel.at[0] * kernel.at[1];
  const bool direct = taps == 1 && stride.at[0] == 1 && stride.at[1] == 1 && padding.at[0] == 0 && padding.at[1] == 0;
  int64_t block = std::max(CONV_MIN_COLUMNS, CONV_BLOCK / std::max(outputs, direct ? (int64_t)1 : channels * taps));
  const int64_t threads = omp_get_max_threads();
  block = std::min(block, std::max((int64_t)64, (positions * batch + threads - 1) / threads));
  const int64_t blocks = (positions + block - 1) / block;
#pragma omp parallel
  {
    std::unique_ptr<float[]> patches(direct ? nullptr : new float[channels * taps * block]);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < batch * blocks; ++task) {
      const int64_t b = task / blocks, begin = task % blocks * block, n = std::min(block, positions - begin);
      const float* map = x + b * channels * height * width;
      float* target = out + b * outputs * positions + begin;
      if (direct) {
        conv_product(outputs, n, channels, weight, map + begin, positions, target, positions);
      } else {
        conv_patches(map, channels, height, width, tail.width, kernel, stride, padding, dilation, begin, n, patches.get());
        conv_product(outputs, n, channels * taps, weight, patches.get(), n, target, positions);
      }
      for (int64_t o = 0; o < outputs; ++o)
        for (int64_t p = 0; p < n;) {
          const int64_t y = (begin + p) / tail.width, column = (begin + p) % tail.width;
          const int64_t length = std::min(n - p, tail.width - column);
          float* line = target + o * positions + p;
          tail.row(line, line, b * outputs + o, o, y, column, length);
          p += length;
        }
    }
  }
}

// The same for a 3 x 3 kernel of stride 1; weight: of winograd_weights.
inline void conv_by_winograd(const float* x, const float* weight, const ConvTail& tail, float* out, int64_t batch,
                             int64_t channels, int64_t height, int64_t width, int64_t outputs, Ints padding) {
  constexpr int64_t PRODUCTS = WINOGRAD_IN * WINOGRAD_IN;
  const int64_t across = (tail.width + WINOGRAD_OUT - 1) / WINOGRAD_OUT, down = (tail.height + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
  const int64_t threads = omp_get_max_threads();
  int64_t rows = std::max((int64_t)1, (WINOGRAD_MIN_TILES + across - 1) / across);  // rows of tiles a block
  rows = std::min(rows, std::max((int64_t)1, (down * batch + threads - 1) / threads));
  const int64_t blocks = (down + rows - 1) / rows, most = rows * across;
#pragma omp parallel
  {
    std::unique_ptr<float[]> memory(new float[PRODUCTS * most * (channels + outputs)]);
    std::vector<float> scratch(WINOGRAD_IN * (4 * across + 8) + std::max(4 * (across + 8), width));
    std::vector<float> lines(16 * across);
    float *from = memory.get(), *to = from + PRODUCTS * most * channels;
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < batch * blocks; ++task) {
      const int64_t b = task / blocks, first = task % blocks * rows, count = std::min(rows, down - first);
      const int64_t n = count * across;
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t r = 0; r < count; ++r)
          winograd::input_row(x + (b * channels + c) * height * width, height, width,
                              (first + r) * WINOGRAD_OUT - padding.at[0], padding.at[1], across,
                              from + c * n + r * across, channels * n, scratch.data());
      for (int64_t k = 0; k < PRODUCTS; ++k)
        conv_product(outputs, n, channels, weight + k * outputs * channels, from + k * channels * n, n,
                     to + k * outputs * n, n);
      for (int64_t o = 0; o < outputs; ++o)
        for (int64_t r = 0; r < count; ++r) {
          winograd::output_row(to + o * n + r * across, outputs * n, across, lines.data(), scratch.data());
          for (int64_t i = 0; i < WINOGRAD_OUT; ++i) {
            const int64_t y = (first + r) * WINOGRAD_OUT + i;
            if (y >= tail.height) break;
            float* line = out + ((b * outputs + o) * tail.height + y) * tail.width;
            tail.row(lines.data() + i * WINOGRAD_OUT * across, line, b * outputs + o, o, y, 0, tail.width);
          }
        }
    }
  }
}

// x [batch, channels, height, width]; weight [outputs, channels, kernel], `turned`: see weight_place; scale (if `scaled`), bias
// [outputs]; added [batch, outputs, rows, columns], rows 0: none; out [batch, outputs, out_height, out_width]. prepared: scratch
// for the weights, 36 * outputs * channels numbers if `by_winograd`, else the weights' number if `scaled` or `turned`.
inline void fused_conv_forward(const float* x, const float* weight, const float* scale, const float* bias, const float* added,
                               float* out, float* prepared, int64_t batch, int64_t channels, Ints size, int64_t outputs,
                               Ints out_size, Ints kernel, Ints stride, Ints padding, Ints dilation, Ints added_size,
                               int64_t scaled, int64_t turned, int64_t relu, int64_t by_winograd) {
  if (batch * outputs * out_size.at[0] * out_size.at[1] == 0) return;
  const ConvTail tail(bias, added, added_size.at[0], added_size.at[1], out_size.at[0], out_size.at[1], relu);
  if (by_winograd) {
    winograd_weights(weight, scaled ? scale : nullptr, prepared, outputs, channels, turned);
    conv_by_winograd(x, prepared, tail, out, batch, channels, size.at[0], size.at[1], outputs, padding);
    return;
  }
  const bool other = scaled || turned;
  if (other)
    prepare_weights(weight, scaled ? scale : nullptr, prepared, outputs, channels, kernel.at[0] * kernel.at[1], turned);
  conv_by_patches(x, other ? prepared : weight, tail, out, batch, channels, size.at[0], size.at[1], outputs, kernel, stride,
                  padding, dilation);
}

}  // namespace cpu
}  // namespace jsra
