// Position-sensitive RoI Align (Dai et al. 2016, R-FCN; Li et al. 2017): bins as in an aligned RoI Align, each reading a
// channel of its own.
#pragma once
#include "common/roi.h"
#include "common/window.h"
#include "roi_align/math.h"

namespace jsra {

template <class A, class B>
struct PsRoiAlign {
  const B* rois;
  const int32_t* level;
  int64_t batches;
  Ints heights, widths;
  Floats scales;
  int64_t bins_y, bins_x, sampling_ratio, groups;

  JSRA_HD int64_t parts(int64_t, int64_t, int64_t) const { return 1; }

  JSRA_HD Window<A, SampledAxis<A>> at(int64_t k, int64_t, int64_t p, int64_t q, int64_t) const {
    const Roi<A> r = roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, true);
    const int64_t l = r.level;
    const auto ys = roi_align_axis(r.y0, r.height, bins_y, sampling_ratio, true);
    const auto xs = roi_align_axis(r.x0, r.width, bins_x, sampling_ratio, true);
    return {r.valid,
            l,
            r.batch,
            A(1),
            SampledAxis<A>{ys.at(p, 0), ys.bin / A(ys.samples), ys.samples, heights.at[l]},
            SampledAxis<A>{xs.at(q, 0), xs.bin / A(xs.samples), xs.samples, widths.at[l]}};
  }
};

}  // namespace jsra
