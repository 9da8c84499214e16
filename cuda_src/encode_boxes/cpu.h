// Boxes as deltas to reference boxes (CPU).
#pragma once
#include "encode_boxes/math.h"

namespace jsra {
namespace cpu {

// references, targets, out [count, 4].
template <class B>
void encode_boxes_forward(const B* references, const B* targets, B* out, int64_t count, Floats means, Floats stds) {
#pragma omp parallel for schedule(static) if (count > 10000)
  for (int64_t i = 0; i < count; ++i) encode_box<B>(references + 4 * i, targets + 4 * i, means, stds, out + 4 * i);
}

}  // namespace cpu
}  // namespace jsra
