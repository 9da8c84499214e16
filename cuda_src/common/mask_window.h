// A mask as the bitmap of a window of its image: what lies outside of the window is 0. Bitmaps are stored column by column,
// the order of COCO's RLE; those of all masks follow one another in one array.
#pragma once
#include "common/macros.h"

namespace jsra {

constexpr int MASK_PLACE = 5;  // numbers of a window: where its bitmap starts, left, top, width, height

struct MaskWindow {
  int64_t start, left, top, width, height;
};

// Window k of places [count, MASK_PLACE]; an empty one where there is no such window, or where its bitmap is not within the
// `total` numbers that there are.
JSRA_HD MaskWindow mask_window(const int32_t* places, int64_t k, int64_t count, int64_t total) {
  MaskWindow w{0, 0, 0, 0, 0};
  if (k < 0 || k >= count) return w;
  const int32_t* place = places + MASK_PLACE * k;
  w = MaskWindow{place[0], place[1], place[2], place[3], place[4]};
  if (w.width <= 0 || w.height <= 0 || w.start < 0 || w.start + w.width * w.height > total) w.width = w.height = 0;
  return w;
}

}  // namespace jsra
