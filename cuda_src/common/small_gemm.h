// Products of small matrices, in registers (CPU). For the many products of some 50 x 60 x 256 numbers that the RoIs of an
// image bring, one a thread, where calling a library costs as much as the work.
#pragma once
#include <cstring>

#include "common/channels_last.h"

namespace jsra {
namespace cpu {

// The columns that rows of `b` must have room for: n, rounded up to whole vectors. What stands there does not matter.
template <class T> constexpr int64_t padded(int64_t n) {
  return (n + Vector<T>::LANES - 1) / Vector<T>::LANES * Vector<T>::LANES;
}

namespace detail {

template <class T, int ROWS, int VECTORS, bool ADD>
inline void gemm_tile(int64_t depth, const T* a, int64_t a_row, int64_t a_depth, const T* b, int64_t b_stride, T* out,
                      int64_t out_stride, int64_t columns) {
  using V = typename Vector<T>::type;
  using U = typename Vector<T>::unaligned;
  constexpr int N = Vector<T>::LANES;
  V sum[ROWS][VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; ++j) sum[i][j] = V{};
  for (int64_t l = 0; l < depth; ++l) {
    V row[VECTORS];
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; ++j) row[j] = *reinterpret_cast<const U*>(b + l * b_stride + j * N);
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; ++i) {
      const T factor = a[i * a_row + l * a_depth];
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; ++j) sum[i][j] += factor * row[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < ROWS; ++i) {
    T* target = out + i * out_stride;
    if (columns >= VECTORS * N) {
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; ++j) {
        U& to = *reinterpret_cast<U*>(target + j * N);
        to = ADD ? to + sum[i][j] : sum[i][j];
      }
    } else {
      T row[VECTORS * N];  // not straight from `sum`, which must stay in registers
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; ++j) *reinterpret_cast<U*>(row + j * N) = sum[i][j];
      if (ADD)
        for (int64_t j = 0; j < columns; ++j) target[j] += row[j];
      else
        std::memcpy(target, row, columns * sizeof(T));
    }
  }
}

template <class T, int VECTORS, bool ADD>
inline void gemm_columns(int64_t rows, int64_t depth, const T* a, int64_t a_row, int64_t a_depth, const T* b,
                         int64_t b_stride, T* out, int64_t out_stride, int64_t columns) {
  constexpr int ROWS = 6;
  int64_t i = 0;
  for (; i + ROWS <= rows; i += ROWS)
    gemm_tile<T, ROWS, VECTORS, ADD>(depth, a + i * a_row, a_row, a_depth, b, b_stride, out + i * out_stride, out_stride,
                                columns);
  for (; i + 2 <= rows; i += 2)
    gemm_tile<T, 2, VECTORS, ADD>(depth, a + i * a_row, a_row, a_depth, b, b_stride, out + i * out_stride, out_stride,
                                columns);
  for (; i < rows; ++i)
    gemm_tile<T, 1, VECTORS, ADD>(depth, a + i * a_row, a_row, a_depth, b, b_stride, out + i * out_stride, out_stride,
                                columns);
}

}  // namespace detail

// out[i, j] = (ADD: +=) sum over l < depth of a[i, l] * b[l, j]. a[i, l] lies at a[i * a_row + l * a_depth]; rows of b,
// b_stride apart, must be readable up to padded<T>(columns).
template <class T, bool ADD = false>
void small_gemm(int64_t rows, int64_t columns, int64_t depth, const T* a, int64_t a_row, int64_t a_depth, const T* b,
                int64_t b_stride, T* out, int64_t out_stride) {
  constexpr int64_t N = Vector<T>::LANES;
  // Six rows of sums, and the operands, fill the registers: 32 with AVX-512, 16 without.
  constexpr int MOST = JSRA_VECTOR_BYTES == 64 ? 4 : 2;
  for (int64_t j = 0; j < columns; j += MOST * N) {
    const int64_t left = columns - j;
    const T* bj = b + j;
    T* oj = out + j;
    if (left > 3 * N && MOST == 4)
      detail::gemm_columns<T, MOST, ADD>(rows, depth, a, a_row, a_depth, bj, b_stride, oj, out_stride, left);
    else if (left > 2 * N && MOST == 4)
      detail::gemm_columns<T, MOST - 1, ADD>(rows, depth, a, a_row, a_depth, bj, b_stride, oj, out_stride, left);
    else if (left > N)
      detail::gemm_columns<T, 2, ADD>(rows, depth, a, a_row, a_depth, bj, b_stride, oj, out_stride, left);
    else
      detail::gemm_columns<T, 1, ADD>(rows, depth, a, a_row, a_depth, bj, b_stride, oj, out_stride, left);
  }
}

// target [columns, rows], rows `stride` apart, from source [rows, columns].
template <class T>
void small_transpose(const T* source, int64_t source_stride, int64_t rows, int64_t columns, T* target, int64_t stride) {
  constexpr int64_t N = Vector<T>::LANES;
  int64_t i = 0;
  for (; i + N <= rows; i += N) {
    int64_t j = 0;
    for (; j + N <= columns; j += N)
      transpose_square<T>([&](int r) { return source + (i + r) * source_stride + j; },
                          [&](int r) { return target + (j + r) * stride + i; });
    for (; j < columns; ++j)
      for (int64_t r = i; r < i + N; ++r) target[j * stride + r] = source[r * source_stride + j];
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) target[j * stride + i] = source[i * source_stride + j];
}

}  // namespace cpu
}  // namespace jsra
