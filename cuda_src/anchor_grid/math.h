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

// base [levels, anchors, 4]: the anchors of position (0, 0).
template <class B> JSRA_HD void anchor_at(const AnchorLevels& levels, const B* base, int64_t index, B* out) {
  const AnchorPlace place = anchor_place(levels, index);
  const B* own = base + 4 * (place.level * levels.anchors + place.anchor);
  const B x = B(place.x * levels.strides.at[place.level]), y = B(place.y * levels.strides.at[place.level]);
  out[0] = own[0] + x;
  out[1] = own[1] + y;
  out[2] = own[2] + x;
  out[3] = own[3] + y;
}

// Whether the cell of the anchor begins within the first `size` (width, height) pixels.
JSRA_HD int32_t anchor_is_valid(const AnchorLevels& levels, const int32_t* size, int64_t index) {
  const AnchorPlace place = anchor_place(levels, index);
  const int64_t stride = levels.strides.at[place.level];
  return place.x * stride < size[0] && place.y * stride < size[1];
}

}  // namespace jsra
