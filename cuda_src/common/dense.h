// Dense predictions: the maps of a detector's levels, with some channels for each anchor of each position.
//
// Anchors are counted over all levels: level, then position by rows, then anchor (jsra/boxes/anchors.py).
#pragma once
#include "common/list.h"
#include "common/macros.h"

namespace jsra {

// Level l has `anchors` a position and `cells` positions; its map is [batches, anchors * depth, cells].
struct DenseLevels {
  Ints anchors, cells;
};

// Where anchor `index` of one image lies: the level, the position and the anchor there. level -1: there is no such anchor.
struct DensePlace {
  int64_t level, cell, anchor;
};

JSRA_HD DensePlace dense_place(const DenseLevels& levels, int64_t index) {
  if (index < 0) return DensePlace{-1, 0, 0};
  for (int l = 0; l < MAX_LIST; ++l) {
    const int64_t n = levels.anchors.at[l] * levels.cells.at[l];
    if (index < n) return DensePlace{l, index / levels.anchors.at[l], index % levels.anchors.at[l]};
    index -= n;
  }
  return DensePlace{-1, 0, 0};
}

// Where the first number of a place lies in its level's map; the next ones follow `cells` apart.
JSRA_HD int64_t dense_offset(const DenseLevels& levels, const DensePlace& place, int64_t image, int64_t depth) {
  const int64_t cells = levels.cells.at[place.level];
  return ((image * levels.anchors.at[place.level] + place.anchor) * depth) * cells + place.cell;
}

}  // namespace jsra
