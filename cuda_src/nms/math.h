// Non-maximum suppression: what decides whether one box suppresses another, bit for bit as torchvision decides it.
#pragma once
#include "common/exact.h"
#include "common/order.h"

namespace jsra {

template <class T> struct NmsBox { T x0, y0, x1, y1, area; };

// Box `row`, moved by `offset`. A box whose area is not finite becomes an empty one: it neither suppresses nor is suppressed.
template <class T> JSRA_EXACT JSRA_HD NmsBox<T> nms_box(const T* row, T offset) {
  NmsBox<T> b{exact_add(row[0], offset), exact_add(row[1], offset), exact_add(row[2], offset),
              exact_add(row[3], offset), T(0)};
  b.area = exact_mul(exact_add(b.x1, -b.x0), exact_add(b.y1, -b.y0));
  if (!is_finite(b.area)) b = NmsBox<T>{T(0), T(0), T(0), T(0), T(0)};
  return b;
}

template <class T> JSRA_EXACT JSRA_HD T nms_intersection(const NmsBox<T>& a, const NmsBox<T>& b) {
  const T width = (a.x1 < b.x1 ? a.x1 : b.x1) - (a.x0 > b.x0 ? a.x0 : b.x0);
  const T height = (a.y1 < b.y1 ? a.y1 : b.y1) - (a.y0 > b.y0 ? a.y0 : b.y0);
  return width > T(0) && height > T(0) ? exact_mul(width, height) : T(0);
}

template <class T> JSRA_EXACT JSRA_HD bool nms_suppresses(const NmsBox<T>& a, const NmsBox<T>& b, double threshold) {
  const T inter = nms_intersection(a, b);
  if (!(inter > T(0))) return false;
  const T both = exact_add(exact_add(a.area, b.area), -inter);
  return (double)exact_div(inter, both) > threshold;
}

// How boxes of different groups are kept apart: not at all; by moving each group to its own place (torchvision's way for
// few boxes; the rounding of the moved coordinates is part of the result); by comparing groups.
enum NmsGroups : int64_t { NMS_ONE_GROUP = 0, NMS_MOVED_GROUPS = 1, NMS_COMPARED_GROUPS = 2 };

// `moved_limit`: up to how many boxes the groups are moved; below 0: there are no groups.
JSRA_HD int64_t nms_mode(int64_t count, int64_t moved_limit) {
  if (moved_limit < 0) return NMS_ONE_GROUP;
  return count <= moved_limit ? NMS_MOVED_GROUPS : NMS_COMPARED_GROUPS;
}

// How far the boxes of `group` are moved. `largest`: the largest finite coordinate of all boxes.
template <class T> JSRA_EXACT JSRA_HD T nms_offset(int64_t mode, int32_t group, T largest) {
  return mode == NMS_MOVED_GROUPS ? exact_mul(T(group), exact_add(largest, T(1))) : T(0);
}

}  // namespace jsra
