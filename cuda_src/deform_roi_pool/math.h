// Deformable RoI pooling (Dai et al. 2017; modulated: Zhu et al. 2019): the window of a bin.
#pragma once
#include "common/roi.h"
#include "common/window.h"
#include "roi_align/math.h"

namespace jsra {

// Every bin of an aligned RoI Align is shifted by gamma * (width, height) of its RoI times its offset, and its average is
// multiplied by its mask. offset [count, 2, bins_y, bins_x], plane 0 along x; mask [count, bins_y, bins_x]; either may be
// null.
template <class A, class B>
struct DeformRoiPool {
  const B* rois;
  const int32_t* level;
  const B *offset, *mask;
  int64_t batches;
  Ints heights, widths;
  Floats scales;
  int64_t bins_y, bins_x, sampling_ratio;
  A gamma;
  int64_t groups;

  JSRA_HD Roi<A> roi(int64_t k) const {
    return roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, true);
  }
  JSRA_HD int64_t bin(int64_t k, int64_t p, int64_t q) const { return (k * bins_y + p) * bins_x + q; }
  JSRA_HD int64_t parts(int64_t, int64_t, int64_t) const { return 1; }

  JSRA_HD Window<A, SampledAxis<A>> at(int64_t k, int64_t, int64_t p, int64_t q, int64_t) const {
    const Roi<A> r = roi(k);
    const int64_t l = r.level, plane = bins_y * bins_x, i = bin(k, p, q) + k * plane;  // offsets have two planes
    const A dx = offset ? A(offset[i]) * gamma * r.width : A(0),
            dy = offset ? A(offset[i + plane]) * gamma * r.height : A(0);
    const auto ys = roi_align_axis(r.y0, r.height, bins_y, sampling_ratio, true);
    const auto xs = roi_align_axis(r.x0, r.width, bins_x, sampling_ratio, true);
    return {r.valid,
            l,
            r.batch,
            mask ? A(mask[bin(k, p, q)]) : A(1),
            SampledAxis<A>{ys.at(p, 0) + dy, ys.bin / A(ys.samples), ys.samples, heights.at[l]},
            SampledAxis<A>{xs.at(q, 0) + dx, xs.bin / A(xs.samples), xs.samples, widths.at[l]}};
  }

  // The gradients of one bin's offset and mask, from its slopes.
  template <class S>
  JSRA_HD void finish(int64_t k, int64_t p, int64_t q, const S* slope, B* doffset, B* dmask) const {
    const Roi<A> r = roi(k);
    const int64_t plane = bins_y * bins_x, i = bin(k, p, q) + k * plane;
    doffset[i] = r.valid ? B(A(slope[X0]) * gamma * r.width) : B(0);
    doffset[i + plane] = r.valid ? B(A(slope[Y0]) * gamma * r.height) : B(0);
    dmask[bin(k, p, q)] = r.valid ? B(slope[VALUE]) : B(0);
  }
};

template <class A, class B>
DeformRoiPool<A, B> deform_roi_pool_plan(const B* rois, const int32_t* level, const B* offset, const B* mask,
                                         int64_t has_offset, int64_t has_mask, int64_t batches, Ints heights,
                                         Ints widths, Floats scales, int64_t bins_y, int64_t bins_x,
                                         int64_t sampling_ratio, double gamma) {
  return {rois,
          level,
          has_offset ? offset : nullptr,
          has_mask ? mask : nullptr,
          batches,
          heights,
          widths,
          scales,
          bins_y,
          bins_x,
          sampling_ratio,
          A(gamma),
          1};
}

}  // namespace jsra
