// Scaled dot-product attention (GPU): a block takes SIDE queries of a head and goes through the keys once, with the running
// maximum and sum of each query (Milakov and Gimelshein 2018; Dao et al. 2022). Logits stay in shared memory.
#pragma once
#include "attention/tile.h"

namespace jsra {
namespace cuda {

// The running softmax of a tile: replaces logits [SIDE, n] by exp(logit - new maximum). most, sum: of each query so far;
// fade: the factor for its earlier sums. Eight neighbouring threads work on a query.
template <class M>
__device__ void tile_softmax(AttentionTile<M>& tile, int64_t n, M* most, M* sum, M* fade) {
  const int i = threadIdx.x / 8, lane = threadIdx.x % 8;
  M largest = most[i];
  for (int j = lane; j < n; j += 8) largest = max_of(largest, tile[i][j]);
  for (int step = 4; step; step /= 2) largest = max_of(largest, __shfl_xor_sync(0xffffffffu, largest, step));
  M total = M(0);
  for (int j = lane; j < ATTENTION_SIDE; j += 8) {
    tile[i][j] = j < n ? M(exp(tile[i][j] - largest)) : M(0);
    total += tile[i][j];
  }
  for (int step = 4; step; step /= 2) total += __shfl_xor_sync(0xffffffffu, total, step);
  if (lane == 0) {
    fade[i] = exp(most[i] - largest);
    sum[i] = sum[i] * fade[i] + total;
    most[i] = largest;
  }
}

template <class T, int COLUMNS>
__global__ void attention_forward_kernel(Attention<T> s, const T* q, const T* k, const T* v, T* out, acc_t<T>* logs) {
  using M = acc_t<T>;
  __shared__ AttentionTile<M> tile;
  __shared__ M most[ATTENTION_SIDE], sum[ATTENTION_SIDE], fade[ATTENTION_SIDE];
  const int64_t tiles = attention_tiles(s.queries), pair = blockIdx.x / tiles, b = pair / s.heads, h = pair % s.heads;
  const int64_t first = blockIdx.x % tiles * ATTENTION_SIDE, count = min_of<int64_t>(ATTENTION_SIDE, s.queries - first);
  const int64_t step = s.row(), from = s.head(b, h, s.queries) + first * step;
  if (threadIdx.x < ATTENTION_SIDE) most[threadIdx.x] = M(-3e38), sum[threadIdx.x] = M(0);
  M sums[2][COLUMNS] = {};
  const int y = threadIdx.x / 16 * 2;
  for (int64_t start = 0; start < s.keys; start += ATTENTION_SIDE) {
    const int64_t n = min_of<int64_t>(ATTENTION_SIDE, s.keys - start), at = s.head(b, h, s.keys) + start * step;
    tile_of_dots<T, M>(q + from, count, k + at, n, step, s.depth, tile);
    for (int i = threadIdx.x; i < ATTENTION_SIDE * ATTENTION_SIDE; i += ATTENTION_THREADS) {
      const int r = i / ATTENTION_SIDE, c = i % ATTENTION_SIDE;
      if (r < count && c < n) tile[r][c] = s.logit(tile[r][c], b, h, first + r, start + c);
    }
    __syncthreads();
    tile_softmax(tile, n, most, sum, fade);
    __syncthreads();
    for (int i = 0; i < 2; ++i)
      for (int c = 0; c < COLUMNS; ++c) sums[i][c] *= fade[y + i];
    add_tile_times<T, M, COLUMNS, false>(tile, v + at, n, step, s.depth, sums);
  }
  write_sums(sums, out + from, count, step, s.depth, [&](int i) { return M(1) / sum[i]; });
  if (threadIdx.x < count)
    logs[pair * s.queries + first + threadIdx.x] = most[threadIdx.x] + log(sum[threadIdx.x]);
}

// As jsra::cpu::attention_forward.
template <class T, class B>
void attention_forward(const T* q, const T* k, const T* v, const B* bias, const B* mask, T* out, B* logs, int64_t batch,
                       int64_t queries, int64_t keys, int64_t heads, int64_t depth, int64_t masks, int64_t has_bias,
                       double scale, cudaStream_t stream) {
  const int64_t blocks = batch * heads * attention_tiles(queries);
  if (blocks * depth == 0) return;
  const Attention<T> s{batch, queries, keys, heads, depth, masks, has_bias ? bias : nullptr, masks ? mask : nullptr,
                       B(scale)};
  auto* kernel = for_depth(depth, &attention_forward_kernel<T, 2>, &attention_forward_kernel<T, 4>,
                           &attention_forward_kernel<T, 8>);
  JSRA_LAUNCH(kernel, (unsigned int)blocks, ATTENTION_THREADS, 0, stream, s, q, k, v, out, logs);
}

}  // namespace cuda
}  // namespace jsra
