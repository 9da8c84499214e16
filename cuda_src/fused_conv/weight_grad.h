// The gradient of the weights of a 3 x 3 convolution of stride 1 (CPU), by the adjoint of Winograd's F(4 x 4, 3 x 3): the same
// transform of the inputs, a product for each of the 36 numbers of a tile, summed over tiles, and one transform at the end.
#pragma once
#include <omp.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "common/list.h"
#include "fused_conv/winograd.h"

extern "C" int dnnl_sgemm(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);

namespace jsra {
namespace cpu {

constexpr int64_t WINOGRAD_GRAD_TILES = 256;  // of a block, about: enough for a product, few enough for the caches

// x [batch, channels, height, width], dout [batch, outputs, out_height, out_width] -> dweight [outputs, channels, 3, 3].
// prepared: scratch, 36 * outputs * channels numbers.
inline void fused_conv_weight_grad(const float* x, const float* dout, float* dweight, float* prepared, int64_t batch,
                                   int64_t channels, Ints size, int64_t outputs, Ints out_size, Ints padding) {
  constexpr int64_t PRODUCTS = WINOGRAD_IN * WINOGRAD_IN;
  const int64_t count = outputs * channels;
  if (count == 0) return;
  const int64_t height = out_size.at[0], width = out_size.at[1];
  const int64_t across = (width + WINOGRAD_OUT - 1) / WINOGRAD_OUT, down = (height + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
  const int64_t most = std::max((int64_t)1, WINOGRAD_GRAD_TILES / across);  // rows of tiles in a block
  std::memset(prepared, 0, sizeof(float) * PRODUCTS * count);
  std::unique_ptr<float[]> memory(new float[PRODUCTS * most * across * (channels + outputs)]);
  float *inputs = memory.get(), *grads = inputs + PRODUCTS * most * across * channels;
#pragma omp parallel
  {
    std::vector<float> scratch(WINOGRAD_IN * (4 * across + 8) + std::max(4 * (across + 8), size.at[1]));
    // All threads work on one block: each sum is made by one thread, in the order of the blocks, however many there are.
    for (int64_t task = 0; task < batch * down; ) {
      const int64_t b = task / down, first = task % down, rows = std::min(most, down - first), n = rows * across;
#pragma omp for schedule(static)
      for (int64_t plane = 0; plane < channels + outputs; ++plane)
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t y = (first + r) * WINOGRAD_OUT, o = plane - channels;
          if (o < 0)
            winograd::input_row(x + (b * channels + plane) * size.at[0] * size.at[1], size.at[0], size.at[1],
                                y - padding.at[0], padding.at[1], across, inputs + plane * n + r * across, channels * n,
                                scratch.data());
          else
            winograd::grad_row(dout + (b * outputs + o) * height * width, height, width, y, across,
                               grads + o * n + r * across, outputs * n, scratch.data());
        }
#pragma omp for schedule(static)
      for (int64_t k = 0; k < PRODUCTS; ++k)
        dnnl_sgemm('N', 'T', outputs, channels, n, 1.f, grads + k * outputs * n, n, inputs + k * channels * n, n, 1.f,
                   prepared + k * count, channels);
      task += rows;
    }
#pragma omp for schedule(static)
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t c = 0; c < channels; ++c) {
        const float* from = prepared + o * channels + c;
        float half[WINOGRAD_IN][3];
        for (int i = 0; i < WINOGRAD_IN; ++i) {
          float u[WINOGRAD_IN];
          for (int j = 0; j < WINOGRAD_IN; ++j) u[j] = from[(i * WINOGRAD_IN + j) * count];
          winograd::weight_grad(u[0], u[1], u[2], u[3], u[4], u[5], half[i]);
        }
        for (int j = 0; j < 3; ++j) {
          float g[3];
          winograd::weight_grad(half[0][j], half[1][j], half[2][j], half[3][j], half[4][j], half[5][j], g);
          for (int i = 0; i < 3; ++i) dweight[(o * channels + c) * 9 + i * 3 + j] = g[i];
        }
      }
  }
}

}  // namespace cpu
}  // namespace jsra
