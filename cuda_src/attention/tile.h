// Tiles of scaled dot-product attention (GPU): what the forward and the backward share.
//
// A block of ATTENTION_THREADS = 16 x 16 threads holds a tile of logits of SIDE queries x SIDE keys in shared memory, 2 x 2 a
// thread, and sums [SIDE, depth] in registers: thread (y, x) has rows 2 y and 2 y + 1, columns x, x + 16, ...
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

constexpr int ATTENTION_SIDE = 32, ATTENTION_CHUNK = 16;
constexpr int ATTENTION_THREADS = 256;

// The sizes, and what is added to the logits; as jsra::cpu::Attention. M: float, or double next to double.
template <class T> struct Attention {
  using M = acc_t<T>;
  int64_t batch, queries, keys, heads, depth, masks;
  const M *bias, *mask;  // null: none
  M scale;

  JSRA_HD int64_t row() const { return heads * depth; }
  JSRA_HD int64_t head(int64_t b, int64_t h, int64_t count) const { return (b * count * heads + h) * depth; }
  JSRA_HD M logit(M dot, int64_t b, int64_t h, int64_t i, int64_t j) const {
    M value = dot * scale;
    if (bias) value += bias[(h * queries + i) * keys + j];
    if (mask) value += mask[(b % masks * queries + i) * keys + j];
    return value;
  }
};

template <class M> using AttentionTile = M[ATTENTION_SIDE][ATTENTION_SIDE + 1];

// tile[i][j] = a[i] . b[j] for i < a_count, j < b_count; rows `step` apart. The block synchronises before and after.
template <class T, class M>
__device__ void tile_of_dots(const T* a, int64_t a_count, const T* b, int64_t b_count, int64_t step, int64_t depth,
                             AttentionTile<M>& tile) {
  __shared__ M left[ATTENTION_SIDE][ATTENTION_CHUNK + 1], right[ATTENTION_SIDE][ATTENTION_CHUNK + 1];
  const int y = threadIdx.x / 16 * 2, x = threadIdx.x % 16 * 2;
  M sum[2][2] = {};
  for (int64_t l = 0; l < depth; l += ATTENTION_CHUNK) {
    __syncthreads();
    for (int i = threadIdx.x; i < ATTENTION_SIDE * ATTENTION_CHUNK; i += ATTENTION_THREADS) {
      const int r = i / ATTENTION_CHUNK, c = i % ATTENTION_CHUNK;
      left[r][c] = r < a_count && l + c < depth ? M(a[r * step + l + c]) : M(0);
      right[r][c] = r < b_count && l + c < depth ? M(b[r * step + l + c]) : M(0);
    }
    __syncthreads();
    for (int c = 0; c < ATTENTION_CHUNK; ++c)
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) sum[i][j] += left[y + i][c] * right[x + j][c];
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) tile[y + i][x + j] = sum[i][j];
  __syncthreads();
}

// sums += tile times rows b[j], j < b_count, or (TURNED) the tile's transpose times them. The block synchronises before.
template <class T, class M, int COLUMNS, bool TURNED>
__device__ void add_tile_times(const AttentionTile<M>& tile, const T* b, int64_t b_count, int64_t step, int64_t depth,
                               M (&sums)[2][COLUMNS]) {
  __shared__ M rows[ATTENTION_SIDE][ATTENTION_CHUNK];
  const int y = threadIdx.x / 16 * 2, x = threadIdx.x % 16;
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c) {
    __syncthreads();
    for (int i = threadIdx.x; i < ATTENTION_SIDE * ATTENTION_CHUNK; i += ATTENTION_THREADS) {
      const int r = i / ATTENTION_CHUNK;
      const int64_t column = c * ATTENTION_CHUNK + i % ATTENTION_CHUNK;
      rows[r][i % ATTENTION_CHUNK] = r < b_count && column < depth ? M(b[r * step + column]) : M(0);
    }
    __syncthreads();
    for (int k = 0; k < ATTENTION_SIDE; ++k)
      for (int i = 0; i < 2; ++i) sums[i][c] += (TURNED ? tile[k][y + i] : tile[y + i][k]) * rows[k][x];
  }
}

// The sums' rows below `count` to `out`, each times a factor of its own.
template <class T, class M, int COLUMNS, class F>
__device__ void write_sums(const M (&sums)[2][COLUMNS], T* out, int64_t count, int64_t step, int64_t depth, F factor) {
  const int y = threadIdx.x / 16 * 2, x = threadIdx.x % 16;
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c)
    for (int i = 0; i < 2; ++i)
      if (y + i < count && c * ATTENTION_CHUNK + x < depth)
        out[(y + i) * step + c * ATTENTION_CHUNK + x] = T(sums[i][c] * factor(y + i));
}

// Of the instances of a kernel for 2, 4 and 8 columns a thread, the one that rows of `depth` numbers need.
template <class Kernel> Kernel for_depth(int64_t depth, Kernel two, Kernel four, Kernel eight) {
  return depth <= 2 * ATTENTION_CHUNK ? two : depth <= 4 * ATTENTION_CHUNK ? four : eight;
}

JSRA_HD int64_t attention_tiles(int64_t count) { return (count + ATTENTION_SIDE - 1) / ATTENTION_SIDE; }

}  // namespace cuda
}  // namespace jsra
