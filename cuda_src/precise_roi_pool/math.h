// Precise RoI pooling (Jiang et al. 2018): the integral of the bilinear surface over a bin, in closed form.
#pragma once
#include "common/roi.h"
#include "common/window.h"

namespace jsra {

// The share of cell i along one axis: the integral of max(0, 1 - |t - i|) over [begin, end], divided by the length.
// d0 and d1 are its slopes by begin and by end.
template <class A>
struct IntegralAxis {
  A begin, end;
  int64_t size;

  // The integral over [from, to], on which the triangle around i is a straight line.
  JSRA_HD static A piece(A from, A to, A i) {
    if (!(to > from)) return A(0);
    const A middle = (from + to) / A(2) - i;
    return (to - from) * (A(1) - (middle < A(0) ? -middle : middle));
  }
  JSRA_HD static A triangle(A t) { return max_of(A(0), A(1) - (t < A(0) ? -t : t)); }

  JSRA_CALLS_BACK
  template <class F>
  JSRA_HD void each(F f) const {
    if (!(end > begin)) return;
    const A norm = A(1) / (end - begin);
    const int64_t first = (int64_t)clamp_to(begin, A(0), A(size)),
                  last = (int64_t)clamp_to(end, A(-1), A(size - 2)) + 1;
    for (int64_t i = first; i <= last; ++i) {
      const A c = A(i);
      const A w = norm * (piece(max_of(begin, c - A(1)), min_of(end, c), c) +
                          piece(max_of(begin, c), min_of(end, c + A(1)), c));
      f(i, Share<A>{w, norm * (w - triangle(begin - c)), norm * (triangle(end - c) - w)});
    }
  }
};

template <class A, class B>
struct PreciseRoiPool {
  const B* rois;
  const int32_t* level;
  int64_t batches;
  Ints heights, widths;
  Floats scales;
  int64_t bins_y, bins_x, groups;

  JSRA_HD int64_t parts(int64_t, int64_t, int64_t) const { return 1; }

  JSRA_HD Window<A, IntegralAxis<A>> at(int64_t k, int64_t, int64_t p, int64_t q, int64_t) const {
    const Roi<A> r = read_roi(rois, level, k, scales, A(0), batches);
    const int64_t l = r.level;
    const A bin_h = r.height / A(bins_y), bin_w = r.width / A(bins_x);
    return {r.valid,
            l,
            r.batch,
            A(1),
            IntegralAxis<A>{r.y0 + A(p) * bin_h, r.y0 + A(p + 1) * bin_h, heights.at[l]},
            IntegralAxis<A>{r.x0 + A(q) * bin_w, r.x0 + A(q + 1) * bin_w, widths.at[l]}};
  }

  // The gradient of box k from the slopes of its bins: the edges of bin q lie at q and q + 1 parts of the way from x0 to x1.
  template <class S>
  JSRA_HD void finish(int64_t k, const S* slopes, B* drois) const {
    A sum[5] = {A(0), A(0), A(0), A(0), A(0)};
    const Roi<A> r = read_roi(rois, level, k, scales, A(0), batches);
    for (int64_t bin = 0; r.valid && bin < bins_y * bins_x; ++bin) {
      const S* s = slopes + (k * bins_y * bins_x + bin) * SLOPES;
      const A y0 = A(bin / bins_x) / A(bins_y), y1 = A(bin / bins_x + 1) / A(bins_y);
      const A x0 = A(bin % bins_x) / A(bins_x), x1 = A(bin % bins_x + 1) / A(bins_x);
      sum[1] += A(s[X0]) * (A(1) - x0) + A(s[X1]) * (A(1) - x1);
      sum[2] += A(s[Y0]) * (A(1) - y0) + A(s[Y1]) * (A(1) - y1);
      sum[3] += A(s[X0]) * x0 + A(s[X1]) * x1;
      sum[4] += A(s[Y0]) * y0 + A(s[Y1]) * y1;
    }
    for (int i = 0; i < 5; ++i) drois[5 * k + i] = B(sum[i] * A(scales.at[r.level]));
  }
};

}  // namespace jsra
