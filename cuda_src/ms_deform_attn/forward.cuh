// Multi-scale deformable attention on the GPU, forward.
#pragma once
#include "common/launch.h"
#include "ms_deform_attn/math.h"

namespace jsra {
namespace cuda {

// One thread a number of the output: neighbouring threads read neighbouring channels.
template <class T, class B>
__global__ void ms_deform_attn_forward_kernel(const T* value, const B* locations, const B* weights, T* out, DeformAttnSizes s,
                                              Ints heights, Ints widths, int64_t total) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(index, total) {
    const int64_t d = index % s.depth, row = index / s.depth, h = row % s.heads, b = row / s.heads / s.queries;
    int64_t map = (b * s.cells * s.heads + h) * s.depth + d, point = row * s.levels * s.points;
    A sum = A(0);
    for (int64_t l = 0; l < s.levels; ++l) {
      const int64_t height = heights.at[l], width = widths.at[l];
      for (int64_t i = 0; i < s.points; ++i, ++point) {
        const DeformPoint<A> p = deform_point<A>(locations + 2 * point, height, width);
        for (int k = 0; k < 4; ++k) {
          const DeformCell<A> cell = deform_cell(p, k, height, width);
          if (cell.at >= 0) sum += cell.weight * A(weights[point]) * A(value[map + cell.at * s.heads * s.depth]);
        }
      }
      map += height * width * s.heads * s.depth;
    }
    out[index] = T(sum);
  }
}

// As jsra::cpu::ms_deform_attn_forward.
template <class T, class B>
void ms_deform_attn_forward(const T* value, const B* locations, const B* weights, T* out, int64_t batch, int64_t cells,
                            int64_t heads, int64_t depth, int64_t queries, int64_t levels, int64_t points, Ints heights,
                            Ints widths, cudaStream_t stream) {
  const DeformAttnSizes s{batch, cells, heads, depth, queries, levels, points};
  const int64_t total = batch * queries * heads * depth;
  if (total == 0) return;
  auto* run = ms_deform_attn_forward_kernel<T, B>;
  JSRA_LAUNCH_FILL(run, total, 256, 0, stream, value, locations, weights, out, s, heights, widths, total);
}

}  // namespace cuda
}  // namespace jsra
