// The level of the pyramid that each RoI reads (CPU).
#pragma once
#include "roi_levels/math.h"

namespace jsra {
namespace cpu {

// rois [count, 5] -> out [count].
template <class B>
JSRA_EXACT void roi_levels_forward(const B* rois, int32_t* out, int64_t count, int64_t levels, double finest) {
  for (int64_t k = 0; k < count; ++k) out[k] = roi_level(rois + 5 * k, levels, (float)finest);
}

}  // namespace cpu
}  // namespace jsra
