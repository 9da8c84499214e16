// Windows: what most region operators share. An output bin is a weighted sum over the cells of a window of a feature map,
// and the weights are an outer product, one factor along y and one along x:
//
//     out[k, c, p, q] = sum over parts s, cells (i, j) of  factor * wy[i] * wx[j] * map[c, i, j]
//
// An operator is a Plan, a small struct of pointers and sizes that kernels take by value:
//
//     int64_t groups;                                        // channel groups that have windows of their own
//     int64_t parts(k, p, q);                                // windows that make up one bin (1 if it is separable)
//     Window<A, Axis> at(k, group, p, q, part);
//
// and an Axis names the cells along one axis: each(f) calls f(cell, Share), cells not descending. CPU kernels are in
// window_cpu.h, CUDA kernels in window.cuh.
#pragma once
#include "common/bilinear.h"
#include "common/list.h"
#include "common/macros.h"

// Before a host-device template that calls a function object it is given (the CUDA compiler warns about those).
#if defined(__CUDACC__)
#define JSRA_CALLS_BACK _Pragma("nv_exec_check_disable")
#else
#define JSRA_CALLS_BACK
#endif

namespace jsra {

// The weight of a cell along one axis, and its slopes by the axis's own (up to two) parameters.
template <class A>
struct Share {
  A w, d0, d1;
};

template <class A, class Axis>
struct Window {
  bool valid;  // false: no output and no gradient
  int64_t level, image;
  A factor;
  Axis y, x;
};

// Sizes of the levels: maps [batches, channels, heights[l], widths[l]].
struct MapSizes {
  int64_t batches, channels;
  Ints heights, widths;
};

// What the loss's slope is made of, for each bin: the sums over channels and cells of dout * map * (the named product).
enum Slope { VALUE, Y0, Y1, X0, X1, SLOPES };  // wy*wx, dy0*wx, dy1*wx, wy*dx0, wy*dx1; all but VALUE times factor

// The mean of `samples` bilinear samples at first, first + step, ... d0 is the slope by `first`: zero where the border
// clamps the sample.
template <class A>
struct SampledAxis {
  A first, step;
  int64_t samples, size;

  JSRA_CALLS_BACK
  template <class F>
  JSRA_HD void each(F f) const {
    if (!is_finite(first) || !is_finite(step) || samples <= 0) return;
    const A norm = A(1) / A(samples);
    // Only the samples that can touch the map, or a box far larger than it would take for ever.
    const bool spread = step > A(0);  // else all samples lie at one point
    const A begin = spread ? clamp_to((A(-2) - first) / step, A(0), A(samples)) : A(0);
    const A end = spread ? clamp_to((A(size + 1) - first) / step + A(1), A(0), A(samples)) : A(samples);
    for (int64_t i = (int64_t)begin; i < (int64_t)end; ++i) {
      const A v = first + A(i) * step;
      const Tap<A> t = tap(v, size);
      if (t.w_low == A(0) && t.w_high == A(0)) continue;
      const A slope = (v > A(0) && t.high > t.low) ? norm : A(0);
      f(t.low, Share<A>{norm * t.w_low, -slope, A(0)});
      if (t.high > t.low) f(t.high, Share<A>{norm * t.w_high, slope, A(0)});
    }
  }
};

}  // namespace jsra
