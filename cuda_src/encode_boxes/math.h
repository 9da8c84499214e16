// A box as four deltas to a reference box (R-CNN, appendix C; constants as in mmdet's DeltaXYWHBBoxCoder).
#pragma once
#include <math.h>

#include "common/list.h"
#include "common/macros.h"

namespace jsra {

// A side below 1e-6 counts as 1e-6: no infinities.
template <class A, class B>
JSRA_HD void encode_box(const B* p, const B* g, const Floats& means, const Floats& stds, B* out) {
  for (int c = 0; c < 2; ++c) {
    const A side = max_of(A(p[c + 2]) - A(p[c]), A(1e-6)), wanted = max_of(A(g[c + 2]) - A(g[c]), A(1e-6));
    const A moved = ((A(g[c]) + A(g[c + 2])) - (A(p[c]) + A(p[c + 2]))) * A(0.5) / side;
    out[c] = B((moved - A(means.at[c])) / A(stds.at[c]));
    out[c + 2] = B((log(wanted / side) - A(means.at[c + 2])) / A(stds.at[c + 2]));
  }
}

}  // namespace jsra
