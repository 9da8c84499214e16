// The dynamic feature sampler as windows (common/window.h): each packed position is one bin.
#pragma once
#include "common/roi.h"
#include "common/window.h"
#include "roi_align/math.h"

namespace jsra {

// owner [total]: the RoI of each position; grids [count, 2]; offsets [count + 1].
template <class A, class B> struct DynamicSampler {
  const B* rois;
  const int32_t *level, *grids, *offsets, *owner;
  int64_t batches;
  Ints heights, widths;
  Floats scales;
  int64_t sampling_ratio, groups;

  JSRA_HD int64_t parts(int64_t, int64_t, int64_t) const { return 1; }

  JSRA_HD Window<A, SampledAxis<A>> at(int64_t t, int64_t, int64_t, int64_t, int64_t) const {
    const int64_t k = owner[t], l = level[k], rows = grids[2 * k], columns = grids[2 * k + 1], i = t - offsets[k];
    const Roi<A> r = read_roi(rois + 5 * k, A(scales.at[l]), A(0.5), batches);
    const auto ys = roi_align_axis(r.y0, r.height, rows, sampling_ratio, true);
    const auto xs = roi_align_axis(r.x0, r.width, columns, sampling_ratio, true);
    return {r.valid, l, r.batch, A(1),
            SampledAxis<A>{ys.at(i / columns, 0), ys.bin / A(ys.samples), ys.samples, heights.at[l]},
            SampledAxis<A>{xs.at(i % columns, 0), xs.bin / A(xs.samples), xs.samples, widths.at[l]}};
  }
};

}  // namespace jsra
