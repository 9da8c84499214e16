// The CPU kernels of position-sensitive windows: bin b of output channel c reads map channel c * bins + b, so the work is
// done plane by plane. maps [batches, channels * bins, height, width], out [count, channels, bins_y, bins_x].
#pragma once
#include "common/window_cpu.h"

namespace jsra {
namespace cpu {

template <class T, class Plan>
void window_planes_forward(Pointers<T> maps, const MapSizes& sizes, const Plan& plan, int64_t count, int64_t bins_y,
                           int64_t bins_x, T* out) {
  using A = acc_t<T>;
  const int64_t bins = bins_y * bins_x, channels = bins ? sizes.channels / bins : 0;
#pragma omp parallel
  {
    AxisCells<A> ys, xs;
#pragma omp for schedule(dynamic, 4)
    for (int64_t i = 0; i < count * bins; ++i) {
      const int64_t k = i / bins, bin = i % bins;
      const auto w = plan.at(k, 0, bin / bins_x, bin % bins_x, 0);
      if (w.valid) {
        ys.fill(w.y);
        xs.fill(w.x);
      }
      for (int64_t c = 0; c < channels; ++c) {
        A sum = A(0);
        if (w.valid) {
          const int64_t width = sizes.widths.at[w.level], area = sizes.heights.at[w.level] * width;
          const T* plane = maps.at[w.level] + (w.image * sizes.channels + c * bins + bin) * area;
          for (size_t y = 0; y < ys.size(); ++y) {
            A row = A(0);
            for (size_t x = 0; x < xs.size(); ++x) row += xs.share[x].w * plane[ys.cell[y] * width + xs.cell[x]];
            sum += ys.share[y].w * row;
          }
        }
        out[(k * channels + c) * bins + bin] = T(sum);
      }
    }
  }
}

// Threads share out the bins: each has map channels of its own.
template <class T, class Plan>
void window_planes_backward(const T* dout, Pointers<T> grads, const MapSizes& sizes, const Plan& plan, int64_t count,
                            int64_t bins_y, int64_t bins_x) {
  using A = acc_t<T>;
  const int64_t bins = bins_y * bins_x, channels = bins ? sizes.channels / bins : 0;
  for (int l = 0; l < MAX_LIST; ++l)
    std::fill_n(grads.at[l], sizes.batches * sizes.channels * sizes.heights.at[l] * sizes.widths.at[l], T(0));
#pragma omp parallel
  {
    AxisCells<A> ys, xs;
#pragma omp for schedule(dynamic)
    for (int64_t bin = 0; bin < bins; ++bin)
      for (int64_t k = 0; k < count; ++k) {
        const auto w = plan.at(k, 0, bin / bins_x, bin % bins_x, 0);
        if (!w.valid) continue;
        ys.fill(w.y);
        xs.fill(w.x);
        const int64_t width = sizes.widths.at[w.level], area = sizes.heights.at[w.level] * width;
        for (int64_t c = 0; c < channels; ++c) {
          T* plane = grads.at[w.level] + (w.image * sizes.channels + c * bins + bin) * area;
          const A d = dout[(k * channels + c) * bins + bin];
          for (size_t y = 0; y < ys.size(); ++y)
            for (size_t x = 0; x < xs.size(); ++x)
              plane[ys.cell[y] * width + xs.cell[x]] += T(d * ys.share[y].w * xs.share[x].w);
        }
      }
  }
}

}  // namespace cpu
}  // namespace jsra
