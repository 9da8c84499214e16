// Adaptive RoI Align (Jung et al. 2018, RT-MDNet): one bilinear sample at the corner of each bin, whose taps lie as far apart
// as the bin is wide.
#pragma once
#include "common/roi.h"
#include "common/window.h"

namespace jsra {

// The taps of coordinate v: the cell below it, and the cell `stride` further, at the border the last one.
template <class A>
struct StrideAxis {
  A v;
  int64_t stride, size;

  JSRA_CALLS_BACK
  template <class F>
  JSRA_HD void each(F f) const {
    if (!(v >= A(0) && v < A(size))) return;
    const int64_t low = min_of((int64_t)v, size - 1), high = min_of(low + stride, size - 1);
    const A part = (v - A(low)) / A(stride);
    f(low, Share<A>{A(1) - part, A(0), A(0)});
    if (part > A(0)) f(high, Share<A>{part, A(0), A(0)});
  }
};

// RoIs are (x1 - x0 + 1) cells wide on the feature map, as in the original.
template <class A, class B>
struct AdaptiveRoiAlign {
  const B* rois;
  const int32_t* level;
  int64_t batches;
  Ints heights, widths;
  Floats scales;
  int64_t bins_y, bins_x, groups;

  JSRA_HD int64_t parts(int64_t, int64_t, int64_t) const { return 1; }
  JSRA_HD static int64_t stride(A bin) { return (int64_t)max_of(A(1), bin + A(0.5)); }  // rounded

  JSRA_HD Window<A, StrideAxis<A>> at(int64_t k, int64_t, int64_t p, int64_t q, int64_t) const {
    const Roi<A> r = read_roi(rois, level, k, scales, A(0), batches);
    const int64_t l = r.level;
    const A bin_h = (r.height + A(1)) / A(bins_y), bin_w = (r.width + A(1)) / A(bins_x);
    return {r.valid,
            l,
            r.batch,
            A(1),
            StrideAxis<A>{r.y0 + A(p) * bin_h, stride(bin_h), heights.at[l]},
            StrideAxis<A>{r.x0 + A(q) * bin_w, stride(bin_w), widths.at[l]}};
  }
};

}  // namespace jsra
