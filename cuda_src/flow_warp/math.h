// Warping by a flow: where an output cell reads, and the four cells around that place. Shared by the kernels.
#pragma once
#include "common/macros.h"

namespace jsra {

// One axis of a sample: cells `low` and `high` with weights 1 - frac and frac. slope: how the coordinate moves with the flow, 0
// where it was clamped to the border.
template <class A> struct WarpAxis {
  int64_t low, high;
  A frac, slope;
};

template <class A> JSRA_HD WarpAxis<A> warp_axis(A v, int64_t size) {
  WarpAxis<A> t{0, 0, A(0), A(0)};
  if (v <= A(0)) return t;
  if (v >= A(size - 1)) {
    t.low = t.high = size - 1;
    return t;
  }
  t.low = (int64_t)v;
  t.high = t.low + 1;
  t.frac = v - A(t.low);
  t.slope = A(1);
  return t;
}

template <class A> struct WarpTap {
  WarpAxis<A> y, x;
  bool valid;
};

// flow: of one image, [2, height, width], x first. A flow that is not finite gives nothing.
template <class A, class F>
JSRA_HD WarpTap<A> warp_tap(const F* flow, int64_t row, int64_t column, int64_t height, int64_t width) {
  const int64_t cell = row * width + column;
  const A dx = A(flow[cell]), dy = A(flow[height * width + cell]);
  if (!is_finite(dx) || !is_finite(dy)) return WarpTap<A>{{0, 0, A(0), A(0)}, {0, 0, A(0), A(0)}, false};
  return WarpTap<A>{warp_axis(A(row) + dy, height), warp_axis(A(column) + dx, width), true};
}

// The four weights, in the order low low, low high, high low, high high (y first).
template <class A> JSRA_HD void warp_weights(const WarpTap<A>& t, A w[4]) {
  w[0] = (A(1) - t.y.frac) * (A(1) - t.x.frac);
  w[1] = (A(1) - t.y.frac) * t.x.frac;
  w[2] = t.y.frac * (A(1) - t.x.frac);
  w[3] = t.y.frac * t.x.frac;
}

JSRA_HD void warp_cells(int64_t low_y, int64_t high_y, int64_t low_x, int64_t high_x, int64_t width, int64_t at[4]) {
  at[0] = low_y * width + low_x;
  at[1] = low_y * width + high_x;
  at[2] = high_y * width + low_x;
  at[3] = high_y * width + high_x;
}

// The share of one channel in the gradient to the flow: `v` are the values of the four cells.
template <class A> JSRA_HD void warp_flow_gradient(const WarpTap<A>& t, const A v[4], A dout, A& dx, A& dy) {
  dx += dout * t.x.slope * ((A(1) - t.y.frac) * (v[1] - v[0]) + t.y.frac * (v[3] - v[2]));
  dy += dout * t.y.slope * ((A(1) - t.x.frac) * (v[2] - v[0]) + t.x.frac * (v[3] - v[1]));
}

}  // namespace jsra
