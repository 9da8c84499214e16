// Products of batches of matrices (CPU): float32 by oneDNN's product, whose library Jittor has loaded, else in registers.
// Threads share out blocks of the outputs; a block's sums do not depend on how many threads there are.
#pragma once
#include <algorithm>

#include "common/small_gemm.h"

// Weak: without oneDNN its address is null.
extern "C" int dnnl_sgemm(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t lda,
                          const float* b, int64_t ldb, float beta, float* c, int64_t ldc) __attribute__((weak));

namespace jsra {
namespace cpu {

constexpr int64_t BMM_ROWS = 192, BMM_COLUMNS = 1024;  // of the output, a thread makes at a time

// What one product reads: a [rows, depth] (turned: [depth, rows]), b [depth, columns] (turned: [columns, depth]).
struct BmmSizes {
  int64_t rows, columns, depth, a_turned, b_turned;

  int64_t a_at(int64_t row) const { return a_turned ? row : row * depth; }
  int64_t b_at(int64_t column) const { return b_turned ? column * depth : column; }
};

// The part [rows, columns] of an output, whose rows lie s.columns apart, from what a and b point to.
inline bool bmm_part_onednn(const float* a, const float* b, float* out, const BmmSizes& s, int64_t rows, int64_t columns) {
  if (!dnnl_sgemm) return false;
  dnnl_sgemm(s.a_turned ? 'T' : 'N', s.b_turned ? 'T' : 'N', rows, columns, s.depth, 1.f, a, s.a_turned ? s.rows : s.depth, b,
             s.b_turned ? s.depth : s.columns, 0.f, out, s.columns);
  return true;
}
template <class T> bool bmm_part_onednn(const T*, const T*, T*, const BmmSizes&, int64_t, int64_t) { return false; }

template <class T>
void bmm_part(const T* a, const T* b, T* out, const BmmSizes& s, int64_t rows, int64_t columns) {
  if (bmm_part_onednn(a, b, out, s, rows, columns)) return;
  const int64_t stride = padded<T>(columns);
  Buffer<T> lines(s.depth * stride);  // of b, with room for whole vectors
  if (s.b_turned)
    small_transpose(b, s.depth, columns, s.depth, lines.data(), stride);
  else
    for (int64_t l = 0; l < s.depth; ++l) std::copy_n(b + l * s.columns, columns, lines.data() + l * stride);
  small_gemm<T>(rows, columns, s.depth, a, s.a_turned ? 1 : s.depth, s.a_turned ? s.rows : 1, lines.data(), stride, out,
                s.columns);
}

// out [batch, rows, columns]. shared_a, shared_b: there is one matrix for all products.
template <class T>
void bmm_forward(const T* a, const T* b, T* out, int64_t batch, int64_t rows, int64_t columns, int64_t depth,
                 int64_t a_turned, int64_t b_turned, int64_t shared_a, int64_t shared_b) {
  if (depth == 0) std::fill_n(out, batch * rows * columns, T(0));
  if (rows * columns * depth == 0) return;
  const BmmSizes s{rows, columns, depth, a_turned, b_turned};
  const int64_t down = (rows + BMM_ROWS - 1) / BMM_ROWS, across = (columns + BMM_COLUMNS - 1) / BMM_COLUMNS;
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < batch * across * down; ++i) {
    const int64_t p = i / down / across, column = i / down % across * BMM_COLUMNS, row = i % down * BMM_ROWS;
    bmm_part(a + (shared_a ? 0 : p * rows * depth) + s.a_at(row), b + (shared_b ? 0 : p * depth * columns) + s.b_at(column),
             out + (p * rows + row) * columns + column, s, std::min(BMM_ROWS, rows - row),
             std::min(BMM_COLUMNS, columns - column));
  }
}

}  // namespace cpu
}  // namespace jsra
