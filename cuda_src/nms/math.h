// Non-maximum suppression: what decides whether one box suppresses another, bit for bit as torchvision decides it.
//
// Fused multiply-adds, reciprocals and reordering (Jittor builds with -Ofast) would decide pairs at the threshold
// differently, so each operation below is rounded on its own.
#pragma once
#include "common/macros.h"
#include "common/order.h"

namespace jsra {

#if defined(__CUDA_ARCH__)
__device__ __forceinline__ float rounded_add(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float rounded_mul(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float rounded_div(float a, float b) { return __fdiv_rn(a, b); }
__device__ __forceinline__ double rounded_add(double a, double b) { return __dadd_rn(a, b); }
__device__ __forceinline__ double rounded_mul(double a, double b) { return __dmul_rn(a, b); }
__device__ __forceinline__ double rounded_div(double a, double b) { return __ddiv_rn(a, b); }
#else
template <class T> JSRA_HD T rounded_add(T a, T b) {
  volatile T r = a + b;
  return r;
}
template <class T> JSRA_HD T rounded_mul(T a, T b) {
  volatile T r = a * b;
  return r;
}
template <class T> JSRA_HD T rounded_div(T a, T b) {
  volatile T d = b, r = a / d;
  return r;
}
#endif

template <class T> struct NmsBox { T x0, y0, x1, y1, area; };

// Box `row`, moved by `offset`. A box whose area is not finite becomes an empty one: it neither suppresses nor is suppressed.
template <class T> JSRA_HD NmsBox<T> nms_box(const T* row, T offset) {
  NmsBox<T> b{rounded_add(row[0], offset), rounded_add(row[1], offset), rounded_add(row[2], offset),
              rounded_add(row[3], offset), T(0)};
  b.area = rounded_mul(rounded_add(b.x1, -b.x0), rounded_add(b.y1, -b.y0));
  if (!is_finite(b.area)) b = NmsBox<T>{T(0), T(0), T(0), T(0), T(0)};
  return b;
}

template <class T> JSRA_HD T nms_intersection(const NmsBox<T>& a, const NmsBox<T>& b) {
  const T width = min_of(a.x1, b.x1) - max_of(a.x0, b.x0), height = min_of(a.y1, b.y1) - max_of(a.y0, b.y0);
  return width > T(0) && height > T(0) ? rounded_mul(width, height) : T(0);
}

template <class T> JSRA_HD bool nms_suppresses(const NmsBox<T>& a, const NmsBox<T>& b, double threshold) {
  const T inter = nms_intersection(a, b);
  if (!(inter > T(0))) return false;
  const T both = rounded_add(rounded_add(a.area, b.area), -inter);
  return (double)rounded_div(inter, both) > threshold;
}

// How boxes of different groups are kept apart: not at all; by moving each group to its own place (torchvision's way for
// few boxes; the rounding of the moved coordinates is part of the result); by comparing groups.
enum NmsGroups : int64_t { NMS_ONE_GROUP = 0, NMS_MOVED_GROUPS = 1, NMS_COMPARED_GROUPS = 2 };

// How far the boxes of `group` are moved. `largest`: the largest finite coordinate of all boxes.
template <class T> JSRA_HD T nms_offset(int64_t mode, int32_t group, T largest) {
  return mode == NMS_MOVED_GROUPS ? rounded_mul(T(group), rounded_add(largest, T(1))) : T(0);
}

}  // namespace jsra
