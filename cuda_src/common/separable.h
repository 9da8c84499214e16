// One RoI sampled from a channels-last block, rows first and then columns (CPU): the inner loops of RoI Align and of the
// dynamic sampler.
#pragma once
#include "common/axis_weights.h"
#include "common/channels_last.h"

namespace jsra {
namespace cpu {
namespace detail {

// t[j] (+)= sum over N rows of weight * row[cells[j]].
template <class T, int N, bool ADD>
inline void combine_rows(const T* const* rows, const T* weights, const int32_t* cells, int64_t count, T* t) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  const T* r[N];
  T w[N];
  for (int i = 0; i < N; ++i) {
    r[i] = rows[i];
    w[i] = weights[i];
  }
  for (int64_t j = 0; j < count; ++j) {
    const int64_t at = cells[j] * LINE;
    Cell<T> sum = ADD ? Cell<T>::at(t + j * LINE) : Cell<T>::zero();
    for (int i = 0; i < N; ++i) sum.add(w[i], Cell<T>::at(r[i] + at));
    Cell<T>::at(t + j * LINE) = sum;
  }
}

template <class T, bool ADD>
inline void combine_some_rows(int64_t n, const T* const* rows, const T* weights, const int32_t* cells, int64_t count,
                              T* t) {
  switch (n) {
    case 1: return combine_rows<T, 1, ADD>(rows, weights, cells, count, t);
    case 2: return combine_rows<T, 2, ADD>(rows, weights, cells, count, t);
    case 3: return combine_rows<T, 3, ADD>(rows, weights, cells, count, t);
    default: return combine_rows<T, 4, ADD>(rows, weights, cells, count, t);
  }
}

}  // namespace detail

// out [y.bins * x.bins, LINE] = sum wy wx block. `stride`: cells from one row of the block to the next. `scratch` holds
// x.count cells.
template <class T>
void separable_forward(const T* block, int64_t stride, const AxisWeights<T>& y, const AxisWeights<T>& x, T* scratch,
                       T* out) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  for (int32_t p = 0; p < y.bins; ++p, out += x.bins * LINE) {
    for (int32_t e = y.first[p], end = y.first[p + 1]; e < end; e += 4) {
      const T* rows[4];
      const int64_t n = min_of(4, end - e);
      for (int64_t i = 0; i < n; ++i) rows[i] = block + y.cells[y.entry[e + i]] * stride * LINE;
      if (e == y.first[p])
        detail::combine_some_rows<T, false>(n, rows, y.weight + e, x.cells, x.count, scratch);
      else
        detail::combine_some_rows<T, true>(n, rows, y.weight + e, x.cells, x.count, scratch);
    }
    const bool empty = y.first[p] == y.first[p + 1];
    for (int32_t q = 0; q < x.bins; ++q) {
      Cell<T> sum = Cell<T>::zero();
      if (!empty)
        for (int32_t e = x.first[q]; e < x.first[q + 1]; ++e)
          sum.add(x.weight[e], Cell<T>::at(scratch + x.entry[e] * LINE));
      Cell<T>::at(out + q * LINE) = sum;
    }
  }
}

// block += the gradient dout [y.bins * x.bins, LINE], row by row. `scratch` holds x.bins cells.
template <class T>
void separable_backward(T* block, int64_t stride, const AxisWeights<T>& y, const AxisWeights<T>& x, T* scratch,
                        const T* dout) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  for (int32_t i = 0; i < y.count; ++i) {
    for (int32_t q = 0; q < x.bins; ++q) {
      Cell<T> sum = Cell<T>::zero();
      for (int32_t e = y.by_cell[i]; e < y.by_cell[i + 1]; ++e)
        sum.add(y.cell_weight[e], Cell<T>::at(dout + (y.bin[e] * x.bins + q) * LINE));
      Cell<T>::at(scratch + q * LINE) = sum;
    }
    T* row = block + y.cells[i] * stride * LINE;
    for (int32_t j = 0; j < x.count; ++j) {
      Cell<T>& cell = Cell<T>::at(row + x.cells[j] * LINE);
      Cell<T> sum = cell;
      for (int32_t e = x.by_cell[j]; e < x.by_cell[j + 1]; ++e)
        sum.add(x.cell_weight[e], Cell<T>::at(scratch + x.bin[e] * LINE));
      cell = sum;
    }
  }
}

}  // namespace cpu
}  // namespace jsra
