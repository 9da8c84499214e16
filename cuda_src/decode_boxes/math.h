// Four deltas to a reference box back to a box, and what they contribute to its gradient.
#pragma once
#include <math.h>

#include "common/list.h"
#include "common/macros.h"

namespace jsra {

struct DecodeRule {
  Floats means, stds;
  double max_log_ratio;  // a side differs from the reference's by at most this factor, as a logarithm
};

// size: (width, height) that the box is clipped to, or null.
template <class A, class T, class B>
JSRA_HD void decode_box(const B* p, const T* deltas, const DecodeRule& rule, const B* size, B* out) {
  const A limit = A(rule.max_log_ratio);
  for (int c = 0; c < 2; ++c) {
    const A moved = A(deltas[c]) * A(rule.stds.at[c]) + A(rule.means.at[c]);
    const A scaled = clamp_to(A(deltas[c + 2]) * A(rule.stds.at[c + 2]) + A(rule.means.at[c + 2]), -limit, limit);
    const A side = A(p[c + 2]) - A(p[c]);
    const A centre = (A(p[c]) + A(p[c + 2])) * A(0.5) + side * moved, half = side * exp(scaled) * A(0.5);
    A low = centre - half, high = centre + half;
    if (size) low = clamp_to(low, A(0), A(size[c])), high = clamp_to(high, A(0), A(size[c]));
    out[c] = B(low);
    out[c + 2] = B(high);
  }
}

// No gradient comes through a clip.
template <class A, class T, class B>
JSRA_HD void decode_box_backward(const B* p, const T* deltas, const DecodeRule& rule, const B* size, const B* dout,
                                 T* grad) {
  const A limit = A(rule.max_log_ratio);
  for (int c = 0; c < 2; ++c) {
    const A moved = A(deltas[c]) * A(rule.stds.at[c]) + A(rule.means.at[c]);
    const A raw = A(deltas[c + 2]) * A(rule.stds.at[c + 2]) + A(rule.means.at[c + 2]);
    const A side = A(p[c + 2]) - A(p[c]);
    const A centre = (A(p[c]) + A(p[c + 2])) * A(0.5) + side * moved, half = side * exp(clamp_to(raw, -limit, limit)) * A(0.5);
    A low = A(dout[c]), high = A(dout[c + 2]);
    if (size && !(centre - half > A(0) && centre - half < A(size[c]))) low = A(0);
    if (size && !(centre + half > A(0) && centre + half < A(size[c]))) high = A(0);
    grad[c] = T((low + high) * side * A(rule.stds.at[c]));
    grad[c + 2] = T(raw > -limit && raw < limit ? (high - low) * half * A(rule.stds.at[c + 2]) : A(0));
  }
}

}  // namespace jsra
