// Rounding to whole numbers, as torchvision's RoI pooling does it.
#pragma once
#include "common/macros.h"

namespace jsra {

// Half away from zero, as std::round. In double: a float's sum with 0.5 may be rounded up to the next whole number.
JSRA_HD int64_t round_half_away(double v) { return v < 0 ? -(int64_t)(0.5 - v) : (int64_t)(v + 0.5); }

}  // namespace jsra
