// The bins of each RoI, for the CUDA kernels of roi_align and of dynamic_sampler: how many, and where they lie in an array
// [.., channels], RoI by RoI and row by row.
#pragma once
#include "common/macros.h"

namespace jsra {

// The same for all RoIs; outputs are [count, channels, bins_y, bins_x].
struct EqualBins {
  static constexpr bool channels_last = false;
  int64_t bins_y, bins_x;
  JSRA_HD int64_t rows(int64_t) const { return bins_y; }
  JSRA_HD int64_t columns(int64_t) const { return bins_x; }
  JSRA_HD int64_t first(int64_t k) const { return k * bins_y * bins_x; }
};

// Each RoI's own; outputs are packed, [total, channels]. grids [count, 2]: rows, columns; offsets [count + 1].
struct PackedBins {
  static constexpr bool channels_last = true;
  const int32_t *grids, *offsets;
  JSRA_HD int64_t rows(int64_t k) const { return grids[2 * k]; }
  JSRA_HD int64_t columns(int64_t k) const { return grids[2 * k + 1]; }
  JSRA_HD int64_t first(int64_t k) const { return offsets[k]; }
};

}  // namespace jsra
