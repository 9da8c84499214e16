// Multi-scale deformable attention: where a point reads, and the four cells around it. Shared by the kernels.
#pragma once
#include "common/list.h"
#include "common/macros.h"

namespace jsra {

// Sizes of a call. value [batch, cells, heads, depth]; locations [batch, queries, heads, levels, points, 2].
struct DeformAttnSizes {
  int64_t batch, cells, heads, depth, queries, levels, points;
};

// A point on a map: the cell above and to the left of it, which may lie one outside, and the distances from there.
template <class A> struct DeformPoint {
  int64_t top, left;
  A y, x;
  bool valid;
};

template <class A> JSRA_HD int64_t floor_of(A v) {
  const int64_t whole = (int64_t)v;
  return A(whole) > v ? whole - 1 : whole;
}

// location: x and y, 0 to 1 over the map. A point more than a cell outside, or not finite, reads nothing.
template <class A, class B> JSRA_HD DeformPoint<A> deform_point(const B* location, int64_t height, int64_t width) {
  const A x = A(location[0]) * A(width) - A(0.5), y = A(location[1]) * A(height) - A(0.5);
  if (!is_finite(x) || !is_finite(y) || !(x > A(-1) && y > A(-1) && x < A(width) && y < A(height)))
    return DeformPoint<A>{0, 0, A(0), A(0), false};
  const int64_t top = floor_of(y), left = floor_of(x);
  return DeformPoint<A>{top, left, y - A(top), x - A(left), true};
}

// One of the four cells (k: 0 to 3, left before right): its place on the map, -1 if it is outside; its weight, and how that
// changes with y and with x.
template <class A> struct DeformCell {
  int64_t at;
  A weight, by_y, by_x;
};

template <class A> JSRA_HD DeformCell<A> deform_cell(const DeformPoint<A>& p, int k, int64_t height, int64_t width) {
  const bool low = k >= 2, right = k % 2 == 1;
  const int64_t row = p.top + low, column = p.left + right;
  const A wy = low ? p.y : A(1) - p.y, wx = right ? p.x : A(1) - p.x;
  const bool inside = p.valid && row >= 0 && row < height && column >= 0 && column < width;
  return DeformCell<A>{inside ? row * width + column : -1, wy * wx, low ? wx : -wx, right ? wy : -wy};
}

}  // namespace jsra
