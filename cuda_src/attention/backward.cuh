// Scaled dot-product attention, backward (GPU): the weights are computed again from the saved logarithms. One kernel loops
// over the keys for each tile of queries (q), one over the queries for each tile of keys (k, v), one over the batch for each
// tile of the bias: every sum is computed by a single block.
#pragma once
#include "attention/tile.h"

namespace jsra {
namespace cuda {

// dots [batch, heads, queries]: the sum of dout * out of a query.
template <class T>
__global__ void attention_dots_kernel(Attention<T> s, const T* dout, const T* out, acc_t<T>* dots) {
  JSRA_FOR_EACH(index, s.batch * s.heads * s.queries) {
    const int64_t pair = index / s.queries, i = index % s.queries;
    const int64_t from = s.head(pair / s.heads, pair % s.heads, s.queries) + i * s.row();
    acc_t<T> sum = 0;
    for (int64_t c = 0; c < s.depth; ++c) sum += acc_t<T>(dout[from + c]) * acc_t<T>(out[from + c]);
    dots[index] = sum;
  }
}

// What the backward reads, of all batches and heads.
template <class T> struct AttentionSaved {
  const T *dout, *q, *k, *v;
  const acc_t<T> *logs, *dots;
};

// weights and slopes (the gradients to the logits) of queries [first, first + count) and keys [start, start + n) of (b, h);
// both 0 elsewhere in the tiles.
template <class T, class M>
__device__ void attention_slopes(const Attention<T>& s, const AttentionSaved<T>& in, int64_t b, int64_t h, int64_t first,
                                 int64_t count, int64_t start, int64_t n, AttentionTile<M>& weights,
                                 AttentionTile<M>& slopes) {
  const int64_t step = s.row(), from = s.head(b, h, s.queries) + first * step, at = s.head(b, h, s.keys) + start * step;
  tile_of_dots<T, M>(in.q + from, count, in.k + at, n, step, s.depth, weights);
  tile_of_dots<T, M>(in.dout + from, count, in.v + at, n, step, s.depth, slopes);
  for (int i = threadIdx.x; i < ATTENTION_SIDE * ATTENTION_SIDE; i += ATTENTION_THREADS) {
    const int r = i / ATTENTION_SIDE, c = i % ATTENTION_SIDE;
    M weight = M(0), slope = M(0);
    if (r < count && c < n) {
      const int64_t query = (b * s.heads + h) * s.queries + first + r;
      weight = exp(s.logit(weights[r][c], b, h, first + r, start + c) - in.logs[query]);
      slope = weight * (slopes[r][c] - in.dots[query]);
    }
    weights[r][c] = weight, slopes[r][c] = slope;
  }
  __syncthreads();
}

template <class T, int COLUMNS> __global__ void attention_dq_kernel(Attention<T> s, AttentionSaved<T> in, T* dq) {
  using M = acc_t<T>;
  __shared__ AttentionTile<M> weights, slopes;
  const int64_t tiles = attention_tiles(s.queries), pair = blockIdx.x / tiles, b = pair / s.heads, h = pair % s.heads;
  const int64_t first = blockIdx.x % tiles * ATTENTION_SIDE, count = min_of<int64_t>(ATTENTION_SIDE, s.queries - first);
  M sums[2][COLUMNS] = {};
  for (int64_t start = 0; start < s.keys; start += ATTENTION_SIDE) {
    const int64_t n = min_of<int64_t>(ATTENTION_SIDE, s.keys - start);
    attention_slopes<T, M>(s, in, b, h, first, count, start, n, weights, slopes);
    add_tile_times<T, M, COLUMNS, false>(slopes, in.k + s.head(b, h, s.keys) + start * s.row(), n, s.row(), s.depth, sums);
  }
  write_sums(sums, dq + s.head(b, h, s.queries) + first * s.row(), count, s.row(), s.depth, [&](int) { return s.scale; });
}

template <class T, int COLUMNS> __global__ void attention_dkv_kernel(Attention<T> s, AttentionSaved<T> in, T* dk, T* dv) {
  using M = acc_t<T>;
  __shared__ AttentionTile<M> weights, slopes;
  const int64_t tiles = attention_tiles(s.keys), pair = blockIdx.x / tiles, b = pair / s.heads, h = pair % s.heads;
  const int64_t start = blockIdx.x % tiles * ATTENTION_SIDE, n = min_of<int64_t>(ATTENTION_SIDE, s.keys - start);
  M key_sums[2][COLUMNS] = {}, value_sums[2][COLUMNS] = {};
  for (int64_t first = 0; first < s.queries; first += ATTENTION_SIDE) {
    const int64_t count = min_of<int64_t>(ATTENTION_SIDE, s.queries - first);
    const int64_t from = s.head(b, h, s.queries) + first * s.row();
    attention_slopes<T, M>(s, in, b, h, first, count, start, n, weights, slopes);
    add_tile_times<T, M, COLUMNS, true>(slopes, in.q + from, count, s.row(), s.depth, key_sums);
    add_tile_times<T, M, COLUMNS, true>(weights, in.dout + from, count, s.row(), s.depth, value_sums);
  }
  const int64_t at = s.head(b, h, s.keys) + start * s.row();
  write_sums(key_sums, dk + at, n, s.row(), s.depth, [&](int) { return s.scale; });
  write_sums(value_sums, dv + at, n, s.row(), s.depth, [](int) { return M(1); });
}

template <class T> __global__ void attention_dbias_kernel(Attention<T> s, AttentionSaved<T> in, acc_t<T>* dbias) {
  using M = acc_t<T>;
  __shared__ AttentionTile<M> weights, slopes;
  const int64_t key_tiles = attention_tiles(s.keys), tiles = key_tiles * attention_tiles(s.queries);
  const int64_t h = blockIdx.x / tiles, tile = blockIdx.x % tiles;
  const int64_t first = tile / key_tiles * ATTENTION_SIDE, count = min_of<int64_t>(ATTENTION_SIDE, s.queries - first);
  const int64_t start = tile % key_tiles * ATTENTION_SIDE, n = min_of<int64_t>(ATTENTION_SIDE, s.keys - start);
  const int y = threadIdx.x / 16 * 2, x = threadIdx.x % 16 * 2;
  M sums[2][2] = {};
  for (int64_t b = 0; b < s.batch; ++b) {
    attention_slopes<T, M>(s, in, b, h, first, count, start, n, weights, slopes);
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) sums[i][j] += slopes[y + i][x + j];
    __syncthreads();
  }
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j)
      if (y + i < count && x + j < n) dbias[(h * s.queries + first + y + i) * s.keys + start + x + j] = sums[i][j];
}

// As jsra::cpu::attention_backward. dots: scratch [batch, heads, queries].
template <class T, class B>
void attention_backward(const T* dout, const T* q, const T* k, const T* v, const B* bias, const B* mask, const T* out,
                        const B* logs, T* dq, T* dk, T* dv, B* dbias, B* dots, int64_t batch, int64_t queries, int64_t keys,
                        int64_t heads, int64_t depth, int64_t masks, int64_t has_bias, double scale, cudaStream_t stream) {
  const Attention<T> s{batch, queries, keys, heads, depth, masks, has_bias ? bias : nullptr, masks ? mask : nullptr,
                       B(scale)};
  const AttentionSaved<T> in{dout, q, k, v, logs, dots};
  const int64_t pairs = batch * heads, bias_tiles = heads * attention_tiles(queries) * attention_tiles(keys);
  if (pairs * queries * depth) {
    auto* dot = attention_dots_kernel<T>;
    JSRA_LAUNCH_FILL(dot, pairs * queries, 256, 0, stream, s, dout, out, dots);
    auto* to_q = for_depth(depth, &attention_dq_kernel<T, 2>, &attention_dq_kernel<T, 4>, &attention_dq_kernel<T, 8>);
    JSRA_LAUNCH(to_q, (unsigned int)(pairs * attention_tiles(queries)), ATTENTION_THREADS, 0, stream, s, in, dq);
  }
  if (pairs * keys * depth) {
    auto* to_kv = for_depth(depth, &attention_dkv_kernel<T, 2>, &attention_dkv_kernel<T, 4>, &attention_dkv_kernel<T, 8>);
    JSRA_LAUNCH(to_kv, (unsigned int)(pairs * attention_tiles(keys)), ATTENTION_THREADS, 0, stream, s, in, dk, dv);
  }
  if (has_bias && bias_tiles) {
    auto* to_bias = attention_dbias_kernel<T>;
    JSRA_LAUNCH(to_bias, (unsigned int)bias_tiles, ATTENTION_THREADS, 0, stream, s, in, dbias);
  }
}

}  // namespace cuda
}  // namespace jsra
