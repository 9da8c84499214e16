// Anchors on the grids of all levels (CPU).
#pragma once
#include "anchor_grid/math.h"

namespace jsra {
namespace cpu {

// base [levels, anchors, 4] -> out [count, 4].
template <class B>
void anchor_grid_forward(const B* base, B* out, int64_t count, int64_t anchors, Ints heights, Ints widths, Ints strides) {
  if (count == 0) return;
  for (int l = 0; l < MAX_LIST; ++l)
    for (int64_t y = 0; y < heights.at[l]; ++y)
      for (int64_t x = 0; x < widths.at[l]; ++x)
        for (int64_t a = 0; a < anchors; ++a, out += 4)
          anchor_at(base + 4 * (l * anchors + a), B(x * strides.at[l]), B(y * strides.at[l]), out);
}

// sizes [images, 2] (width, height) -> out [images, count]: 1 where the anchor's cell begins within the image, else 0.
template <class N>
void anchor_grid_valid(const N* sizes, int32_t* out, int64_t images, int64_t count, int64_t anchors, Ints heights,
                       Ints widths, Ints strides) {
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < images; ++b) {
    int32_t* target = out + b * count;
    for (int l = 0; l < MAX_LIST; ++l)
      for (int64_t y = 0; y < heights.at[l]; ++y)
        for (int64_t x = 0; x < widths.at[l]; ++x, target += anchors)
          for (int64_t a = 0; a < anchors; ++a) target[a] = anchor_is_valid(x, y, strides.at[l], sizes + 2 * b);
  }
}

}  // namespace cpu
}  // namespace jsra
