// The level of the pyramid that an RoI reads (FPN, Lin et al. 2017, as in mmdet): the one rule, in float32.
#pragma once
#include <math.h>

#include "common/exact.h"

namespace jsra {

// floor(log2(sqrt(w * h) / finest + 1e-6)) is at least i where the logarithm's argument is at least 2^i. A comparison with NaN
// is false: that box, like an empty or inverted one or an index below 0 (no RoI), has level 0.
JSRA_EXACT JSRA_HD int32_t roi_level(const float* roi, int64_t levels, float finest) {
  const float width = exact_add(roi[3], -roi[1]), height = exact_add(roi[4], -roi[2]);
  if (!(roi[0] >= 0.0f) || !(width > 0.0f) || !(height > 0.0f)) return 0;
  const float size = exact_add(exact_div(exact_sqrt(exact_mul(width, height)), finest), 1e-6f);
  int32_t level = 0;
  float first = 2.0f;
  for (int64_t i = 1; i < levels; ++i, first *= 2.0f) level += size >= first;
  return level;
}

}  // namespace jsra
