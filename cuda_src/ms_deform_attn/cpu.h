// Multi-scale deformable attention (CPU).
#pragma once
#include <algorithm>

#include "ms_deform_attn/math.h"

namespace jsra {
namespace cpu {

// value [batch, cells, heads, depth], cells of all levels one after the other; locations [batch, queries, heads, levels,
// points, 2]; weights [batch, queries, heads, levels, points]; out [batch, queries, heads, depth]. Threads share out queries.
template <class T, class B>
void ms_deform_attn_forward(const T* value, const B* locations, const B* weights, T* out, int64_t batch, int64_t cells,
                            int64_t heads, int64_t depth, int64_t queries, int64_t levels, int64_t points, Ints heights,
                            Ints widths) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < batch * queries; ++row)
    for (int64_t h = 0; h < heads; ++h) {
      T* to = out + (row * heads + h) * depth;
      std::fill_n(to, depth, T(0));
      const T* map = value + (row / queries * cells * heads + h) * depth;
      int64_t point = (row * heads + h) * levels * points;
      for (int64_t l = 0; l < levels; ++l) {
        const int64_t height = heights.at[l], width = widths.at[l];
        for (int64_t i = 0; i < points; ++i, ++point) {
          const auto p = deform_point<A>(locations + 2 * point, height, width);
          for (int k = 0; k < 4; ++k) {
            const auto cell = deform_cell(p, k, height, width);
            if (cell.at < 0) continue;
            const T share = T(cell.weight * A(weights[point]));
            const T* from = map + cell.at * heads * depth;
            for (int64_t d = 0; d < depth; ++d) to[d] += share * from[d];
          }
        }
        map += height * width * heads * depth;
      }
    }
}

// Gradients to value, locations and weights. Threads share out images and heads, so that every run adds in the same order.
// sums, largest: scratch of the CUDA kernel, unused.
template <class T, class B, class I, class N>
void ms_deform_attn_backward(const T* dout, const T* value, const B* locations, const B* weights, T* dvalue, B* dlocations,
                             B* dweights, I*, N*, int64_t batch, int64_t cells, int64_t heads, int64_t depth,
                             int64_t queries, int64_t levels, int64_t points, Ints heights, Ints widths) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(static)
  for (int64_t part = 0; part < batch * heads; ++part) {
    const int64_t b = part / heads, h = part % heads, start = (b * cells * heads + h) * depth;
    for (int64_t c = 0; c < cells; ++c) std::fill_n(dvalue + start + c * heads * depth, depth, T(0));
    for (int64_t q = 0; q < queries; ++q) {
      const int64_t row = (b * queries + q) * heads + h;
      const T* from = dout + row * depth;
      int64_t point = row * levels * points, map = start;
      for (int64_t l = 0; l < levels; ++l) {
        const int64_t height = heights.at[l], width = widths.at[l];
        for (int64_t i = 0; i < points; ++i, ++point) {
          const auto p = deform_point<A>(locations + 2 * point, height, width);
          A dweight = A(0), dy = A(0), dx = A(0);
          for (int k = 0; k < 4; ++k) {
            const auto cell = deform_cell(p, k, height, width);
            if (cell.at < 0) continue;
            const int64_t at = map + cell.at * heads * depth;
            const T share = T(cell.weight * A(weights[point]));
            A dot = A(0);
            for (int64_t d = 0; d < depth; ++d) {
              dot += A(from[d]) * A(value[at + d]);
              dvalue[at + d] += share * from[d];
            }
            dweight += cell.weight * dot;
            dy += cell.by_y * dot;
            dx += cell.by_x * dot;
          }
          dweights[point] = B(dweight);
          dlocations[2 * point] = B(dx * A(weights[point]) * A(width));
          dlocations[2 * point + 1] = B(dy * A(weights[point]) * A(height));
        }
        map += height * width * heads * depth;
      }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
