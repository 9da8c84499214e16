// Position-sensitive RoI pooling (Dai et al. 2016, R-FCN): the mean over the whole cells of a bin, each bin reading a channel
// of its own.
#pragma once
#include "common/roi.h"
#include "common/rounding.h"
#include "common/window.h"

namespace jsra {

// The mean over cells begin to end - 1.
template <class A>
struct RangeAxis {
  int64_t begin, end;

  JSRA_CALLS_BACK
  template <class F>
  JSRA_HD void each(F f) const {
    for (int64_t i = begin; i < end; ++i) f(i, Share<A>{A(1) / A(end - begin), A(0), A(0)});
  }
};

// A box of no width or no height is one cell.
template <class A, class B>
struct PsRoiPool {
  const B* rois;
  const int32_t* level;
  int64_t batches;
  Ints heights, widths;
  Floats scales;
  int64_t bins_y, bins_x, groups;

  JSRA_HD int64_t parts(int64_t, int64_t, int64_t) const { return 1; }

  // Bin p of the box from cell `first` to cell `last`, whose length is at least 1. Whole numbers all the way: the floor and
  // the ceiling of a quotient that rounding spoils would move a bin by a cell. As in torchvision, both ends are clipped to
  // size - 1, so that the last row and column are never read.
  JSRA_HD static RangeAxis<A> range(A first, A last, int64_t p, int64_t bins, int64_t size) {
    const int64_t start = round_half_away(first), length = max_of<int64_t>(round_half_away(last) - start, 1);
    const int64_t begin = start + p * length / bins, end = start + ((p + 1) * length + bins - 1) / bins;
    return {clamp_to<int64_t>(begin, 0, size - 1), clamp_to<int64_t>(end, 0, size - 1)};
  }

  JSRA_HD Window<A, RangeAxis<A>> at(int64_t k, int64_t, int64_t p, int64_t q, int64_t) const {
    const Roi<A> r = read_roi(rois, level, k, scales, A(0), batches, true);
    const int64_t l = r.level;
    return {r.valid,
            l,
            r.batch,
            A(1),
            range(r.y0, r.y1, p, bins_y, heights.at[l]),
            range(r.x0, r.x1, q, bins_x, widths.at[l])};
  }
};

}  // namespace jsra
