// Warping of feature maps by a flow (CPU).
#pragma once
#include <algorithm>
#include <vector>

#include "flow_warp/math.h"

namespace jsra {
namespace cpu {

template <class A> struct WarpCell {
  int64_t at[4];
  A weight[4];
};

// Where each cell of an image reads; what is not valid reads cell 0 with weights 0.
template <class T>
std::vector<WarpCell<acc_t<T>>> warp_cells_of(const T* flow, int64_t height, int64_t width) {
  using A = acc_t<T>;
  std::vector<WarpCell<A>> cells(height * width);
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < height; ++row)
    for (int64_t column = 0; column < width; ++column) {
      WarpCell<A>& cell = cells[row * width + column];
      const WarpTap<A> t = warp_tap<A>(flow, row, column, height, width);
      warp_cells(t.y.low, t.y.high, t.x.low, t.x.high, width, cell.at);
      warp_weights(t, cell.weight);
      if (!t.valid) std::fill_n(cell.weight, 4, A(0));
    }
  return cells;
}

// features [batches, channels, height, width]; flow [batches, 2, height, width]; out as features.
template <class T>
void flow_warp_forward(const T* features, const T* flow, T* out, int64_t batches, int64_t channels, int64_t height,
                       int64_t width) {
  const int64_t plane = height * width;
  for (int64_t b = 0; b < batches && plane; ++b) {
    const auto cells = warp_cells_of(flow + b * 2 * plane, height, width);
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < channels; ++c) {
      const T* from = features + (b * channels + c) * plane;
      T* to = out + (b * channels + c) * plane;
      for (int64_t i = 0; i < plane; ++i) {
        const auto& cell = cells[i];
        to[i] = T(cell.weight[0] * from[cell.at[0]] + cell.weight[1] * from[cell.at[1]] + cell.weight[2] * from[cell.at[2]] +
                  cell.weight[3] * from[cell.at[3]]);
      }
    }
  }
}

// Both gradients. Threads share out the channels, and then the rows, so that every run adds in the same order. sums, largest:
// scratch of the CUDA kernel, unused.
template <class T, class I, class N>
void flow_warp_backward(const T* dout, const T* features, const T* flow, T* dfeatures, T* dflow, I*, N*, int64_t batches,
                        int64_t channels, int64_t height, int64_t width) {
  using A = acc_t<T>;
  const int64_t plane = height * width;
  for (int64_t b = 0; b < batches && plane; ++b) {
    const T* shift = flow + b * 2 * plane;
    const auto cells = warp_cells_of(shift, height, width);
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < channels; ++c) {
      const T* from = dout + (b * channels + c) * plane;
      T* to = dfeatures + (b * channels + c) * plane;
      std::fill_n(to, plane, T(0));
      for (int64_t i = 0; i < plane; ++i)
        for (int k = 0; k < 4; ++k) to[cells[i].at[k]] += T(cells[i].weight[k] * from[i]);
    }
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < height; ++row)
      for (int64_t column = 0; column < width; ++column) {
        const int64_t i = row * width + column;
        const WarpTap<A> t = warp_tap<A>(shift, row, column, height, width);
        A dx = A(0), dy = A(0);
        for (int64_t c = 0; c < channels && t.valid; ++c) {
          const T* from = features + (b * channels + c) * plane;
          const A v[4] = {A(from[cells[i].at[0]]), A(from[cells[i].at[1]]), A(from[cells[i].at[2]]), A(from[cells[i].at[3]])};
          warp_flow_gradient(t, v, A(dout[(b * channels + c) * plane + i]), dx, dy);
        }
        dflow[b * 2 * plane + i] = T(dx);
        dflow[(b * 2 + 1) * plane + i] = T(dy);
      }
  }
}

}  // namespace cpu
}  // namespace jsra
