// RoI pooling (Girshick 2015, Fast R-CNN): the cells of a bin, shared by the CPU and the CUDA kernels.
#pragma once
#include "common/macros.h"
#include "common/roi.h"
#include "common/rounding.h"

namespace jsra {

// Row k of rois, as RoI pooling reads it: a box of no width or no height is the cell that it lies in.
template <class A, class B>
JSRA_HD Roi<A> roi_pool_read(const B* rois, const int32_t* level, int64_t k, const Floats& scales, int64_t batches) {
  return read_roi(rois, level, k, scales, A(0), batches, true);
}

// One RoI along one axis, on whole cells: both ends rounded, and both inside.
template <class A> struct RoiPoolAxis {
  int64_t start;
  A bin;

  // The cells of bin p that lie on the map: [begin, end), perhaps none. Bins overlap where the size does not divide.
  JSRA_HD void cells(int64_t p, int64_t size, int64_t* begin, int64_t* end) const {
    const A low = rounded(A(p) * bin), high = rounded(A(p + 1) * bin);  // never negative
    const int64_t below = (int64_t)high;
    *begin = clamp_to<int64_t>(start + (int64_t)low, 0, size);
    *end = clamp_to<int64_t>(start + below + (A(below) < high ? 1 : 0), 0, size);
  }
};

template <class A> JSRA_HD RoiPoolAxis<A> roi_pool_axis(A start, A end, int64_t bins) {
  const int64_t first = round_half_away(start), last = round_half_away(end);
  return RoiPoolAxis<A>{first, rounded(A(max_of<int64_t>(last - first + 1, 1)) / rounded(A(bins)))};
}

// The maximum of a bin and the cell it came from, y * width + x; -1 for a bin without cells, whose value is 0.
template <class A> struct RoiPoolMax {
  A value = A(0);
  int32_t cell = -1;
};

template <class A, class T>
JSRA_HD RoiPoolMax<A> roi_pool_max(const T* plane, const RoiPoolAxis<A>& ys, const RoiPoolAxis<A>& xs, int64_t p,
                                   int64_t q, int64_t height, int64_t width) {
  int64_t y0, y1, x0, x1;
  ys.cells(p, height, &y0, &y1);
  xs.cells(q, width, &x0, &x1);
  RoiPoolMax<A> best;
  for (int64_t y = y0; y < y1; ++y)
    for (int64_t x = x0; x < x1; ++x) {
      const A value = A(plane[y * width + x]);
      if (best.cell >= 0 && !(value > best.value)) continue;
      best.value = value;
      best.cell = (int32_t)(y * width + x);
    }
  return best;
}

}  // namespace jsra
