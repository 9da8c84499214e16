// Winograd's F(4 x 4, 3 x 3): a 3 x 3 convolution of stride 1 as 36 products of matrices, a quarter of the multiplications.
//
// A tile of 6 x 6 inputs gives 4 x 4 outputs. The points are 0, +-3/4, +-4/3 and infinity: their errors are a fifth of those
// of the usual 0, +-1, +-2 (256 channels, standard normal numbers: 2e-6 of the largest output; the direct sum's is 3e-7).
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

namespace jsra {
namespace cpu {

constexpr int64_t WINOGRAD_OUT = 4, WINOGRAD_IN = 6;

namespace winograd {

constexpr float A = 0.75f, B = 4.f / 3.f, A2 = 9.f / 16.f, B2 = 16.f / 9.f, S = A2 + B2;  // A * B = 1
constexpr float A3 = A2 * A, B3 = B2 * B;
constexpr float GA = 1.f / (2.f * A2 * (A2 - B2)), GB = 1.f / (2.f * B2 * (B2 - A2));

// 6 inputs -> 6 numbers.
inline void input(float d0, float d1, float d2, float d3, float d4, float d5, float* t) {
  const float e1 = d4 - B2 * d2, o1 = A * d3 - B * d1;
  const float e2 = d4 - A2 * d2, o2 = B * d3 - A * d1;
  t[0] = d0 - S * d2 + d4;
  t[1] = e1 + o1;
  t[2] = e1 - o1;
  t[3] = e2 + o2;
  t[4] = e2 - o2;
  t[5] = d1 - S * d3 + d5;
}

// 6 sums -> 4 outputs.
inline void output(float m0, float m1, float m2, float m3, float m4, float m5, float* y) {
  const float e1 = m1 + m2, o1 = m1 - m2, e2 = m3 + m4, o2 = m3 - m4;
  y[0] = m0 + e1 + e2;
  y[1] = A * o1 + B * o2;
  y[2] = A2 * e1 + B2 * e2;
  y[3] = A3 * o1 + B3 * o2 + m5;
}

// 3 weights -> 6 numbers.
inline void weight(float g0, float g1, float g2, float* u) {
  u[0] = g0;
  u[1] = GA * (g0 + A * g1 + A2 * g2);
  u[2] = GA * (g0 - A * g1 + A2 * g2);
  u[3] = GB * (g0 + B * g1 + B2 * g2);
  u[4] = GB * (g0 - B * g1 + B2 * g2);
  u[5] = g2;
}

// The adjoints: of `output`, 4 gradients -> 6 numbers, and of `weight`, 6 sums -> 3 gradients.
inline void output_grad(float y0, float y1, float y2, float y3, float* m) {
  const float ea = y0 + A2 * y2, oa = A * y1 + A3 * y3, eb = y0 + B2 * y2, ob = B * y1 + B3 * y3;
  m[0] = y0;
  m[1] = ea + oa;
  m[2] = ea - oa;
  m[3] = eb + ob;
  m[4] = eb - ob;
  m[5] = y3;
}

inline void weight_grad(float u0, float u1, float u2, float u3, float u4, float u5, float* g) {
  const float ea = GA * (u1 + u2), oa = GA * (u1 - u2), eb = GB * (u3 + u4), ob = GB * (u3 - u4);
  g[0] = u0 + ea + eb;
  g[1] = A * oa + B * ob;
  g[2] = A2 * ea + B2 * eb + u5;
}

// The tiles of one row of tiles of one channel. x [height, width] is the channel; the first input of the row of tiles is
// (row, -padding). to: 36 rows of at least `tiles` numbers, `stride` apart. Scratch: 6 * (4 * tiles + 8) + 4 * (tiles + 8).
inline void input_row(const float* x, int64_t height, int64_t width, int64_t row, int64_t padding, int64_t tiles, float* to,
                      int64_t stride, float* scratch) {
  const int64_t length = WINOGRAD_OUT * tiles + 8, phase = tiles + 8;
  const int64_t used = std::min(width, length - padding);
  const float* rows[WINOGRAD_IN];
  float* columns = scratch + WINOGRAD_IN * length;
  std::memset(columns, 0, sizeof(float) * std::max(4 * phase, used));  // the rows outside the map, for now
  for (int64_t i = 0; i < WINOGRAD_IN; ++i) {
    const bool inside = row + i >= 0 && row + i < height;
    rows[i] = inside ? x + (row + i) * width : columns;
    float* line = scratch + i * length;
    std::memset(line, 0, sizeof(float) * padding);
    std::memset(line + padding + used, 0, sizeof(float) * (length - padding - used));
  }
  float* __restrict__ line = scratch + padding;
  for (int64_t j = 0; j < used; ++j) {
    float t[WINOGRAD_IN];
    input(rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j], t);
    for (int i = 0; i < WINOGRAD_IN; ++i) line[i * length + j] = t[i];
  }
  // Every fourth column together, so that tiles lie side by side.
  float *__restrict__ c0 = columns, *__restrict__ c1 = c0 + phase, *__restrict__ c2 = c1 + phase,
                      *__restrict__ c3 = c2 + phase;
  for (int64_t i = 0; i < WINOGRAD_IN; ++i) {
    const float* from = scratch + i * length;
    for (int64_t j = 0; j <= tiles; ++j) {
      c0[j] = from[4 * j], c1[j] = from[4 * j + 1], c2[j] = from[4 * j + 2], c3[j] = from[4 * j + 3];
    }
    float* __restrict__ out = to + i * WINOGRAD_IN * stride;
    for (int64_t j = 0; j < tiles; ++j) {
      float t[WINOGRAD_IN];
      input(c0[j], c1[j], c2[j], c3[j], c0[j + 1], c1[j + 1], t);
      for (int k = 0; k < WINOGRAD_IN; ++k) out[k * stride + j] = t[k];
    }
  }
}

// Back: 36 rows of sums, `stride` apart -> 4 rows of 4 * tiles outputs in `rows`. Scratch: 24 * tiles.
inline void output_row(const float* from, int64_t stride, int64_t tiles, float* rows, float* scratch) {
  for (int64_t i = 0; i < WINOGRAD_IN; ++i) {
    const float* m = from + i * WINOGRAD_IN * stride;
    float* __restrict__ to = scratch + i * WINOGRAD_OUT * tiles;
    for (int64_t j = 0; j < tiles; ++j) {
      float y[WINOGRAD_OUT];
      output(m[j], m[stride + j], m[2 * stride + j], m[3 * stride + j], m[4 * stride + j], m[5 * stride + j], y);
      for (int k = 0; k < WINOGRAD_OUT; ++k) to[k * tiles + j] = y[k];
    }
  }
  const int64_t length = WINOGRAD_OUT * tiles;
  for (int64_t k = 0; k < WINOGRAD_OUT; ++k) {
    const float* m = scratch + k * tiles;
    float* __restrict__ to = rows + k;
    for (int64_t j = 0; j < tiles; ++j) {
      float y[WINOGRAD_OUT];
      output(m[j], m[length + j], m[2 * length + j], m[3 * length + j], m[4 * length + j], m[5 * length + j], y);
      for (int i = 0; i < WINOGRAD_OUT; ++i) to[i * length + 4 * j] = y[i];
    }
  }
}

// The same for gradients of outputs: dout [height, width] of one channel, the first of its 4 rows is `row`. Scratch: 24 * tiles.
inline void grad_row(const float* dout, int64_t height, int64_t width, int64_t row, int64_t tiles, float* to, int64_t stride,
                     float* scratch) {
  const int64_t length = WINOGRAD_OUT * tiles, rows = std::min(WINOGRAD_OUT, height - row);
  const float* first = dout + row * width;
  for (int64_t j = 0; j < width; ++j) {
    float m[WINOGRAD_IN];
    output_grad(first[j], rows > 1 ? first[width + j] : 0.f, rows > 2 ? first[2 * width + j] : 0.f,
                rows > 3 ? first[3 * width + j] : 0.f, m);
    for (int i = 0; i < WINOGRAD_IN; ++i) scratch[i * length + j] = m[i];
  }
  for (int64_t i = 0; i < WINOGRAD_IN; ++i) {
    float* line = scratch + i * length;
    std::memset(line + width, 0, sizeof(float) * (length - width));
    float* __restrict__ out = to + i * WINOGRAD_IN * stride;
    for (int64_t j = 0; j < tiles; ++j) {
      float m[WINOGRAD_IN];
      output_grad(line[4 * j], line[4 * j + 1], line[4 * j + 2], line[4 * j + 3], m);
      for (int k = 0; k < WINOGRAD_IN; ++k) out[k * stride + j] = m[k];
    }
  }
}

}  // namespace winograd
}  // namespace cpu
}  // namespace jsra
