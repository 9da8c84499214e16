// A small mask, resized into its box of the image: where a pixel lies in the mask.
#pragma once
#include "common/bilinear.h"
#include "common/macros.h"
#include "common/mask_window.h"

namespace jsra {

// The two of `side` cells between which a pixel is: low and low + 1; the cells -1 and `side` have value 0.
struct PasteTap {
  int32_t low;
  float w_low, w_high;
};

// Pixel `cell` of the image along one axis, of a box from `start` to `end`: bilinear, centres at half-integers, zeros outside
// (torch's grid_sample with align_corners=False, as mmdet pastes). No weight where the pixel lies outside of the mask.
JSRA_HD PasteTap paste_tap(int64_t cell, float start, float end, int64_t side) {
  const float grid = (rounded((float)cell + 0.5f) - start) / (end - start) * 2.0f - 1.0f;
  const float at = ((grid + 1.0f) * (float)side - 1.0f) * 0.5f;
  if (!(at > -1.0f && at < (float)side)) return PasteTap{-1, 0.0f, 0.0f};
  const int32_t low = (int32_t)floor_above_minus_one(at);
  const float high = at - (float)low;
  return PasteTap{low, 1.0f - high, high};
}

}  // namespace jsra
