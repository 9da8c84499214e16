// Bilinear taps on a map of height x width cells, pixel i at coordinate i: the rule of torchvision, mmcv and detectron2.
#pragma once
#include "common/macros.h"

namespace jsra {

// One axis of a bilinear sample: cells `low` and `high` with weights 1 - frac and frac; outside, both weights are 0.
template <class A> struct Tap {
  int64_t low, high;
  A w_low, w_high;
};

// The floor of a coordinate above -1. Not (int64_t)(v + 1) - 1: just below a whole number, v + 1 is rounded up to one.
template <class A> JSRA_HD int64_t floor_above_minus_one(A v) { return v < A(0) ? -1 : (int64_t)v; }

// A coordinate more than one cell outside gives nothing; within one cell of the border it is clamped to the border.
template <class A> JSRA_HD Tap<A> tap(A v, int64_t size) {
  Tap<A> t{0, 0, A(0), A(0)};
  if (!(v >= A(-1) && v <= A(size)) || size <= 0) return t;
  if (v < A(0)) v = A(0);
  t.low = (int64_t)v;
  if (t.low >= size - 1) {
    t.low = t.high = size - 1;
    t.w_low = A(1);
    return t;
  }
  t.high = t.low + 1;
  t.w_high = v - A(t.low);
  t.w_low = A(1) - t.w_high;
  return t;
}

}  // namespace jsra
