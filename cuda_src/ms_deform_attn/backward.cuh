// Multi-scale deformable attention on the GPU, the gradients to value, locations and weights.
#pragma once
#include "common/fixed_point.cuh"
#include "ms_deform_attn/math.h"

namespace jsra {
namespace cuda {

// One thread a point, which sums over the channels of its head.
template <class T, class B>
__global__ void ms_deform_attn_point_kernel(const T* dout, const T* value, const B* locations, const B* weights,
                                            B* dlocations, B* dweights, DeformAttnSizes s, Ints heights, Ints widths,
                                            int64_t total) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(point, total) {
    const int64_t level = point / s.points % s.levels, row = point / s.points / s.levels;
    const int64_t h = row % s.heads, b = row / s.heads / s.queries;
    int64_t map = (b * s.cells * s.heads + h) * s.depth;
    for (int64_t l = 0; l < level; ++l) map += heights.at[l] * widths.at[l] * s.heads * s.depth;
    const int64_t height = heights.at[level], width = widths.at[level];
    const DeformPoint<A> p = deform_point<A>(locations + 2 * point, height, width);
    A dweight = A(0), dy = A(0), dx = A(0);
    for (int k = 0; k < 4; ++k) {
      const DeformCell<A> cell = deform_cell(p, k, height, width);
      if (cell.at < 0) continue;
      A dot = A(0);
      for (int64_t d = 0; d < s.depth; ++d)
        dot += A(dout[row * s.depth + d]) * A(value[map + cell.at * s.heads * s.depth + d]);
      dweight += cell.weight * dot;
      dy += cell.by_y * dot;
      dx += cell.by_x * dot;
    }
    dweights[point] = B(dweight);
    dlocations[2 * point] = B(dx * A(weights[point]) * A(width));
    dlocations[2 * point + 1] = B(dy * A(weights[point]) * A(height));
  }
}

// The largest |weight times gradient|: no contribution to a cell is larger.
template <class T, class B>
__global__ void ms_deform_attn_largest_kernel(const T* dout, const B* weights, DeformAttnSizes s, int64_t total,
                                              unsigned int* largest) {
  uint32_t mine = 0;
  JSRA_FOR_EACH(index, total) {
    const int64_t row = index / s.depth, points = s.levels * s.points;
    for (int64_t i = 0; i < points; ++i)
      mine = max_of(mine, magnitude_bits(float(weights[row * points + i]) * float(dout[index])));
  }
  fixed_largest(mine, largest);
}

// One thread a number of the output, which adds to the cells that it read.
template <class T, class B, class I>
__global__ void ms_deform_attn_scatter_kernel(const T* dout, const B* locations, const B* weights, Pointers<I> sums,
                                              DeformAttnSizes s, Ints heights, Ints widths, int64_t total,
                                              const unsigned int* largest, int64_t terms) {
  using A = acc_t<T>;
  const uint32_t bits = *largest;
  if (bits >= 0x7f800000u) return;  // not finite: the finishing kernel says so
  const float unit = power_of_two(fixed_exponent(bits, terms));
  JSRA_FOR_EACH(index, total) {
    const int64_t d = index % s.depth, row = index / s.depth, h = row % s.heads, b = row / s.heads / s.queries;
    int64_t map = (b * s.cells * s.heads + h) * s.depth + d, point = row * s.levels * s.points;
    for (int64_t l = 0; l < s.levels; ++l) {
      const int64_t height = heights.at[l], width = widths.at[l];
      for (int64_t i = 0; i < s.points; ++i, ++point) {
        const DeformPoint<A> p = deform_point<A>(locations + 2 * point, height, width);
        for (int k = 0; k < 4; ++k) {
          const DeformCell<A> cell = deform_cell(p, k, height, width);
          if (cell.at >= 0)
            fixed_add(sums.at[0] + map + cell.at * s.heads * s.depth,
                      float(cell.weight * A(weights[point]) * A(dout[index])), unit);
        }
      }
      map += height * width * s.heads * s.depth;
    }
  }
}

// sums: scratch of the size of value; largest: scratch of one number (common/fixed_point.cuh).
template <class T, class B, class I, class N>
void ms_deform_attn_backward(const T* dout, const T* value, const B* locations, const B* weights, T* dvalue, B* dlocations,
                             B* dweights, I* sums, N* largest_scratch, int64_t batch, int64_t cells, int64_t heads,
                             int64_t depth, int64_t queries, int64_t levels, int64_t points, Ints heights, Ints widths,
                             cudaStream_t stream) {
  auto* largest = reinterpret_cast<unsigned int*>(largest_scratch);
  const DeformAttnSizes s{batch, cells, heads, depth, queries, levels, points};
  const int64_t all_points = batch * queries * heads * levels * points, total = batch * queries * heads * depth;
  const int64_t numbers = batch * cells * heads * depth, terms = 4 * queries * levels * points + 1;
  if (all_points > 0) {
    auto* to_points = ms_deform_attn_point_kernel<T, B>;
    JSRA_LAUNCH_FILL(to_points, all_points, 128, 0, stream, dout, value, locations, weights, dlocations, dweights, s, heights,
                     widths, all_points);
  }
  if (numbers == 0) return;
  const Pointers<I> sum{{sums}};
  const Pointers<T> grad{{dvalue}};
  const Ints counts{{numbers}};
  auto* clear = fixed_clear_kernel<I>;
  JSRA_LAUNCH_FILL(clear, numbers, 256, 0, stream, sum, counts, largest);
  if (total > 0) {
    auto* measure = ms_deform_attn_largest_kernel<T, B>;
    JSRA_LAUNCH_FILL(measure, total, 256, 0, stream, dout, weights, s, total, largest);
    auto* scatter = ms_deform_attn_scatter_kernel<T, B, I>;
    JSRA_LAUNCH_FILL(scatter, total, 256, 0, stream, dout, locations, weights, sum, s, heights, widths, total, largest, terms);
  }
  auto* finish = fixed_finish_kernel<T, I>;
  JSRA_LAUNCH_FILL(finish, numbers, 256, 0, stream, sum, grad, counts, largest, terms);
}

}  // namespace cuda
}  // namespace jsra
