// Warping of feature maps by a flow on the GPU, the gradients to the features and to the flow.
#pragma once
#include "common/fixed_point.cuh"
#include "flow_warp/math.h"

namespace jsra {
namespace cuda {

// One thread an output, which adds to the four cells that it read.
template <class T, class B, class I>
__global__ void flow_warp_scatter_kernel(const T* dout, const B* flow, Pointers<I> sums, int64_t channels, int64_t height,
                                         int64_t width, int64_t total, const unsigned int* largest, int64_t terms) {
  using A = acc_t<T>;
  const uint32_t bits = *largest;
  if (bits >= 0x7f800000u) return;  // not finite: the finishing kernel says so
  const float unit = power_of_two(fixed_exponent(bits, terms));
  const int64_t plane = height * width;
  JSRA_FOR_EACH(index, total) {
    const int64_t i = index % plane, map = index / plane;
    const WarpTap<A> t = warp_tap<A>(flow + map / channels * 2 * plane, i / width, i % width, height, width);
    if (!t.valid) continue;
    A w[4];
    int64_t at[4];
    warp_weights(t, w);
    warp_cells(t.y.low, t.y.high, t.x.low, t.x.high, width, at);
    for (int k = 0; k < 4; ++k)
      if (w[k] != A(0)) fixed_add(sums.at[0] + map * plane + at[k], float(w[k] * A(dout[index])), unit);
  }
}

// One thread a cell, which sums over the channels.
template <class T, class B>
__global__ void flow_warp_flow_kernel(const T* dout, const T* features, const B* flow, B* dflow, int64_t channels,
                                      int64_t height, int64_t width, int64_t total) {
  using A = acc_t<T>;
  const int64_t plane = height * width;
  JSRA_FOR_EACH(index, total) {
    const int64_t i = index % plane, b = index / plane;
    const WarpTap<A> t = warp_tap<A>(flow + b * 2 * plane, i / width, i % width, height, width);
    int64_t at[4];
    warp_cells(t.y.low, t.y.high, t.x.low, t.x.high, width, at);
    A dx = A(0), dy = A(0);
    for (int64_t c = 0; c < channels && t.valid; ++c) {
      const T* from = features + (b * channels + c) * plane;
      const A v[4] = {A(from[at[0]]), A(from[at[1]]), A(from[at[2]]), A(from[at[3]])};
      warp_flow_gradient(t, v, A(dout[(b * channels + c) * plane + i]), dx, dy);
    }
    dflow[b * 2 * plane + i] = B(dx);
    dflow[(b * 2 + 1) * plane + i] = B(dy);
  }
}

// sums: scratch of the size of the features; largest: scratch of one number (common/fixed_point.cuh).
template <class T, class B, class I, class N>
void flow_warp_backward(const T* dout, const T* features, const B* flow, T* dfeatures, B* dflow, I* sums, N* largest_scratch,
                        int64_t batches, int64_t channels, int64_t height, int64_t width, cudaStream_t stream) {
  auto* largest = reinterpret_cast<unsigned int*>(largest_scratch);
  const int64_t plane = height * width, total = batches * channels * plane, cells = batches * plane, terms = 4 * plane + 1;
  if (cells == 0) return;
  auto* to_flow = flow_warp_flow_kernel<T, B>;
  JSRA_LAUNCH_FILL(to_flow, cells, 128, 0, stream, dout, features, flow, dflow, channels, height, width, cells);
  if (total == 0) return;
  const Pointers<I> sum{{sums}};
  const Pointers<T> grad{{dfeatures}};
  const Ints counts{{total}};
  auto* clear = fixed_clear_kernel<I>;
  JSRA_LAUNCH_FILL(clear, total, 256, 0, stream, sum, counts, largest);
  auto* measure = fixed_largest_kernel<T>;
  JSRA_LAUNCH_FILL(measure, total, 256, 0, stream, dout, total, largest);
  auto* scatter = flow_warp_scatter_kernel<T, B, I>;
  JSRA_LAUNCH_FILL(scatter, total, 256, 0, stream, dout, flow, sum, channels, height, width, total, largest, terms);
  auto* finish = fixed_finish_kernel<T, I>;
  JSRA_LAUNCH_FILL(finish, total, 256, 0, stream, sum, grad, counts, largest, terms);
}

}  // namespace cuda
}  // namespace jsra
