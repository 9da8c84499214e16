// Anchors on the grids of all levels: level, then position by rows, then anchor.
#pragma once
#include "common/list.h"
#include "common/macros.h"

namespace jsra {

struct AnchorLevels {
  Ints heights, widths, strides;
  int64_t anchors;  // a position, on every level
};

struct AnchorPlace {
  int64_t level, y, x, anchor;
};

// Of index 0 to the number of all anchors.
JSRA_HD AnchorPlace anchor_place(const AnchorLevels& levels, int64_t index) {
  int64_t cell = index / levels.anchors;
  int level = 0;
  while (level < MAX_LIST - 1 && cell >= levels.heights.at[level] * levels.widths.at[level]) {
    cell -= levels.heights.at[level] * levels.widths.at[level];
    ++level;
  }
  return AnchorPlace{level, cell / levels.widths.at[level], cell % levels.widths.at[level], index % levels.anchors};
}

// The anchor `own` of position (0, 0), moved to the cell (x, y).
template <class B> JSRA_HD void anchor_at(const B* own, B x, B y, B* out) {
  out[0] = own[0] + x;
  out[1] = own[1] + y;
  out[2] = own[2] + x;
  out[3] = own[3] + y;
}

// Whether the cell (x, y) of a level begins within the first `size` (width, height) pixels.
JSRA_HD int32_t anchor_is_valid(int64_t x, int64_t y, int64_t stride, const int32_t* size) {
  return x * stride < size[0] && y * stride < size[1];
}

}  // namespace jsra
