// Scaled dot-product attention (CPU), a block of queries at a time: logits never leave the caches.
//
// The pairs of batch item and head, and stretches of their queries, are divided among the threads. Keys and values are
// transposed once per stretch, into the panels that small_gemm reads. The backward computes the weights again from the saved
// logarithm of each query's sum.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/small_gemm.h"

namespace jsra {
namespace cpu {

constexpr int64_t ATTENTION_QUERIES = 48;    // queries whose logits are in memory at a time
constexpr int64_t ATTENTION_STRETCH = 1536;  // queries for which keys and values are transposed once
constexpr int64_t ATTENTION_KEYS = 256;      // keys per block of the backward
constexpr int64_t ATTENTION_GROUPS = 8;      // groups of batch items; each has a separate sum of the gradient to the bias
constexpr int64_t ATTENTION_TASKS = 32;      // if batch * heads is less, the backward also divides the queries

// The sizes, and the terms of the logits: bias [heads, queries, keys], mask [masks, queries, keys] (batch b: b % masks).
template <class T> struct Attention {
  int64_t batch, queries, keys, heads, depth, masks;
  const T *bias, *mask;  // null: none
  double scale;

  int64_t row() const { return heads * depth; }  // from one query or key to the next
  int64_t head(int64_t b, int64_t h, int64_t count) const { return (b * count * heads + h) * depth; }

  // logits[0, n) of query i for keys j..: scaled, and what is added.
  void finish(T* logits, int64_t b, int64_t h, int64_t i, int64_t j, int64_t n) const {
    const T factor = T(scale);
    const T* x = bias ? bias + (h * queries + i) * keys + j : nullptr;
    const T* y = mask ? mask + (b % masks * queries + i) * keys + j : nullptr;
    if (x && y)
      for (int64_t l = 0; l < n; ++l) logits[l] = logits[l] * factor + (x[l] + y[l]);
    else if (x || y) {
      const T* z = x ? x : y;
      for (int64_t l = 0; l < n; ++l) logits[l] = logits[l] * factor + z[l];
    } else
      for (int64_t l = 0; l < n; ++l) logits[l] *= factor;
  }
};

template <class T> constexpr int64_t panel_width() { return 4 * Vector<T>::LANES; }

// Rows [count, depth], `stride` apart, turned: panels of [depth, panel_width], one after the other.
template <class T>
void turn_to_panels(const T* rows, int64_t stride, int64_t count, int64_t depth, T* panels) {
  constexpr int64_t W = panel_width<T>();
  for (int64_t p = 0; p < count; p += W)
    small_transpose(rows + p * stride, stride, std::min(W, count - p), depth, panels + p * depth, W);
}

// out[i, j] = a[i] . row j of what was turned to panels. Rows of `out` have room for whole vectors.
template <class T>
void times_panels(int64_t rows, int64_t columns, int64_t depth, const T* a, int64_t a_row, const T* panels, T* out,
                  int64_t out_stride) {
  constexpr int64_t W = panel_width<T>();
  for (int64_t p = 0; p < columns; p += W)
    small_gemm<T>(rows, std::min(W, columns - p), depth, a, a_row, 1, panels + p * depth, W, out + p, out_stride);
}

// Rows with room for whole vectors behind each.
template <class T>
void pad_rows(const T* rows, int64_t stride, int64_t count, int64_t depth, T* out, int64_t out_stride) {
  for (int64_t i = 0; i < count; ++i) std::copy_n(rows + i * stride, depth, out + i * out_stride);
}

// row[0, n) becomes exp(row - max); returns the sum, and the maximum in `most`.
template <class T> inline T exponentials(T* row, int64_t n, T& most) {
  T largest = row[0];
  for (int64_t j = 1; j < n; ++j) largest = max_of(largest, row[j]);
  T sum = T(0);
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; ++j) {
    row[j] = std::exp(row[j] - largest);
    sum += row[j];
  }
  most = largest;
  return sum;
}

// q, out [batch, queries, heads, depth]; k, v [batch, keys, heads, depth]; logs [batch, heads, queries]: the logarithm of the
// sum of the exponentials.
template <class T>
void attention_forward(const T* q, const T* k, const T* v, const T* bias, const T* mask, T* out, T* logs, int64_t batch,
                       int64_t queries, int64_t keys, int64_t heads, int64_t depth, int64_t masks, int64_t has_bias,
                       double scale) {
  if (batch * queries * heads * depth == 0) return;
  const Attention<T> s{batch, queries, keys, heads, depth, masks, has_bias ? bias : nullptr, masks ? mask : nullptr, scale};
  const int64_t stretches = (queries + ATTENTION_STRETCH - 1) / ATTENTION_STRETCH, wide = padded<T>(keys);
  const int64_t deep = padded<T>(depth), block = std::min(ATTENTION_QUERIES, queries);
#pragma omp parallel
  {
    Buffer<T> logits(block * wide), turned((keys + panel_width<T>()) * depth), values(keys * deep);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < batch * heads * stretches; ++task) {
      const int64_t b = task / stretches / heads, h = task / stretches % heads, first = task % stretches * ATTENTION_STRETCH;
      const int64_t end = std::min(first + ATTENTION_STRETCH, queries);
      turn_to_panels(k + s.head(b, h, keys), s.row(), keys, depth, turned.data());
      pad_rows(v + s.head(b, h, keys), s.row(), keys, depth, values.data(), deep);
      for (int64_t begin = first; begin < end; begin += block) {
        const int64_t n = std::min(block, end - begin), at = s.head(b, h, queries) + begin * s.row();
        times_panels(n, keys, depth, q + at, s.row(), turned.data(), logits.data(), wide);
        T inverse[ATTENTION_QUERIES];
        for (int64_t i = 0; i < n; ++i) {
          T* row = logits.data() + i * wide;
          s.finish(row, b, h, begin + i, 0, keys);
          T most;
          const T sum = exponentials(row, keys, most);
          inverse[i] = T(1) / sum;
          logs[(b * heads + h) * queries + begin + i] = most + std::log(sum);
        }
        small_gemm<T>(n, depth, keys, logits.data(), wide, 1, values.data(), deep, out + at, s.row());
        for (int64_t i = 0; i < n; ++i)
          for (int64_t c = 0; c < depth; ++c) out[at + i * s.row() + c] *= inverse[i];
      }
    }
  }
}

// The memory of a thread in the backward: a block of keys and values (original and transposed), their gradients, and a block
// of queries.
template <class T> struct AttentionBlock {
  int64_t deep, wide;
  Buffer<T> keys, keys_turned, values_turned, dkeys, dvalues, queries, douts, weights, slopes;

  AttentionBlock(int64_t key_count, int64_t query_count, int64_t depth)
      : deep(padded<T>(depth)), wide(padded<T>(key_count)), keys(key_count * deep),
        keys_turned((key_count + panel_width<T>()) * depth), values_turned((key_count + panel_width<T>()) * depth),
        dkeys(key_count * deep), dvalues(key_count * deep), queries(query_count * deep), douts(query_count * deep),
        weights(query_count * wide), slopes(query_count * wide) {}
};

// Adds the contributions of queries [first, end) of (b, h) and keys [start, start + m) to dkeys and dvalues of the block, to
// dq and to dbias [queries, keys] of the head (null: none). dots: sums of dout * out, one per query.
template <class T>
void attention_backward_block(const Attention<T>& s, AttentionBlock<T>& at, const T* q, const T* dout, const T* logs,
                              const T* dots, T* dq, T* dbias, int64_t b, int64_t h, int64_t first, int64_t end,
                              int64_t start, int64_t m) {
  const T factor = T(s.scale);
  for (int64_t begin = first; begin < end; begin += ATTENTION_QUERIES) {
    const int64_t n = std::min(ATTENTION_QUERIES, end - begin), from = s.head(b, h, s.queries) + begin * s.row();
    pad_rows(q + from, s.row(), n, s.depth, at.queries.data(), at.deep);
    pad_rows(dout + from, s.row(), n, s.depth, at.douts.data(), at.deep);
    times_panels(n, m, s.depth, at.queries.data(), at.deep, at.keys_turned.data(), at.weights.data(), at.wide);
    times_panels(n, m, s.depth, at.douts.data(), at.deep, at.values_turned.data(), at.slopes.data(), at.wide);
    for (int64_t i = 0; i < n; ++i) {
      T *w = at.weights.data() + i * at.wide, *g = at.slopes.data() + i * at.wide;
      const T log = logs[(b * s.heads + h) * s.queries + begin + i], dot = dots[begin + i];
      s.finish(w, b, h, begin + i, start, m);
#pragma omp simd
      for (int64_t j = 0; j < m; ++j) {
        w[j] = std::exp(w[j] - log);
        g[j] = w[j] * (g[j] - dot);
      }
      if (dbias) {
        T* to = dbias + (begin + i) * s.keys + start;
        for (int64_t j = 0; j < m; ++j) to[j] += g[j];
      }
      for (int64_t j = 0; j < m; ++j) g[j] *= factor;
    }
    const T *w = at.weights.data(), *g = at.slopes.data();
    small_gemm<T, true>(m, s.depth, n, w, 1, at.wide, at.douts.data(), at.deep, at.dvalues.data(), at.deep);
    small_gemm<T, true>(m, s.depth, n, g, 1, at.wide, at.queries.data(), at.deep, at.dkeys.data(), at.deep);
    small_gemm<T, true>(n, s.depth, m, g, at.wide, 1, at.keys.data(), at.deep, dq + from, s.row());
  }
}

// To q, k, v as these, and to bias. The last array is the CUDA kernel's scratch.
template <class T>
void attention_backward(const T* dout, const T* q, const T* k, const T* v, const T* bias, const T* mask, const T* out,
                        const T* logs, T* dq, T* dk, T* dv, T* dbias, T*, int64_t batch, int64_t queries, int64_t keys,
                        int64_t heads, int64_t depth, int64_t masks, int64_t has_bias, double scale) {
  const int64_t tokens = heads * depth;
  if (has_bias) std::fill_n(dbias, heads * queries * keys, T(0));
  if (batch * queries * tokens == 0) {
    std::fill_n(dk, batch * keys * tokens, T(0));
    std::fill_n(dv, batch * keys * tokens, T(0));
    return;
  }
  const Attention<T> s{batch, queries, keys, heads, depth, masks, has_bias ? bias : nullptr, masks ? mask : nullptr, scale};
  // A task is a head, a group of batch items and a stretch of the queries. All groups contribute to the gradient of the bias,
  // all stretches to those of keys and values: each has a separate sum, and the sums are added in a fixed order.
  const int64_t groups = has_bias ? std::min(batch, ATTENTION_GROUPS) : batch;
  const int64_t most = std::max<int64_t>(1, ATTENTION_TASKS / (batch * heads));
  const int64_t stretches = std::min(most, (queries + ATTENTION_STRETCH - 1) / ATTENTION_STRETCH);
  const int64_t key_numbers = batch * keys * tokens, bias_numbers = heads * queries * keys;
  std::vector<T> key_sums(stretches > 1 ? 2 * stretches * key_numbers : 0);
  std::vector<T> bias_sums(has_bias && groups > 1 ? groups * bias_numbers : 0, T(0));
#pragma omp parallel
  {
    AttentionBlock<T> at(std::min(ATTENTION_KEYS, keys), std::min(ATTENTION_QUERIES, queries), depth);
    std::vector<T> dots(queries);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < heads * groups * stretches; ++task) {
      const int64_t h = task / stretches % heads, group = task / stretches / heads, stretch = task % stretches;
      const int64_t first = queries * stretch / stretches, end = queries * (stretch + 1) / stretches;
      T* db = !has_bias ? nullptr : (groups > 1 ? bias_sums.data() + group * bias_numbers : dbias) + h * queries * keys;
      T* dk_to = stretches > 1 ? key_sums.data() + 2 * stretch * key_numbers : dk;
      T* dv_to = stretches > 1 ? dk_to + key_numbers : dv;
      for (int64_t b = batch * group / groups; b < batch * (group + 1) / groups; ++b) {
        for (int64_t i = first; i < end; ++i) {
          const int64_t from = s.head(b, h, queries) + i * tokens;
          T dot = T(0);
          for (int64_t c = 0; c < depth; ++c) dot += dout[from + c] * out[from + c];
          dots[i] = dot;
          std::fill_n(dq + from, depth, T(0));
        }
        for (int64_t start = 0; start < keys; start += ATTENTION_KEYS) {
          const int64_t m = std::min(ATTENTION_KEYS, keys - start), from = s.head(b, h, keys) + start * tokens;
          turn_to_panels(k + from, tokens, m, depth, at.keys_turned.data());
          turn_to_panels(v + from, tokens, m, depth, at.values_turned.data());
          pad_rows(k + from, tokens, m, depth, at.keys.data(), at.deep);
          std::fill_n(at.dkeys.data(), m * at.deep, T(0));
          std::fill_n(at.dvalues.data(), m * at.deep, T(0));
          attention_backward_block(s, at, q, dout, logs, dots.data(), dq, db, b, h, first, end, start, m);
          for (int64_t j = 0; j < m; ++j) {
            std::copy_n(at.dkeys.data() + j * at.deep, depth, dk_to + from + j * tokens);
            std::copy_n(at.dvalues.data() + j * at.deep, depth, dv_to + from + j * tokens);
          }
        }
      }
    }
    if (stretches > 1) {
#pragma omp for schedule(static)
      for (int64_t i = 0; i < 2 * key_numbers; ++i) {
        T sum = T(0);
        for (int64_t p = 0; p < stretches; ++p) sum += key_sums[2 * p * key_numbers + i];
        (i < key_numbers ? dk[i] : dv[i - key_numbers]) = sum;
      }
    }
    if (!bias_sums.empty()) {
#pragma omp for schedule(static)
      for (int64_t i = 0; i < bias_numbers; ++i)
        for (int64_t p = 0; p < groups; ++p) dbias[i] += bias_sums[p * bias_numbers + i];
    }
  }
}

}  // namespace cpu
}  // namespace jsra
