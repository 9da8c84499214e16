// Which ground truth a box belongs to (mmdet's MaxIoUAssigner): the overlap of two boxes and the rule, in float32.
#pragma once
#include "common/exact.h"

namespace jsra {

constexpr int32_t MATCH_IGNORED = -1, MATCH_BACKGROUND = 0;

struct MatchRule {
  float pos, neg_low, neg_high, min_pos, crowd;
  bool low_quality, assign_all;
};

// Sizes: `images`, `count` boxes an image (of all images where boxes_shared), room for `truths` and `regions`.
struct MatchSizes {
  int64_t images, count, truths, regions;
  bool boxes_shared, has_valid;
};

JSRA_EXACT JSRA_HD float match_area(const float* b) {
  return exact_mul(exact_add(b[2], -b[0]), exact_add(b[3], -b[1]));
}

// Intersection over union of box a with b, or (crowd) over a alone.
JSRA_EXACT JSRA_HD float match_overlap(float x0, float y0, float x1, float y1, float area, const float* b, float b_area,
                                       bool crowd) {
  const float width = exact_add(x1 < b[2] ? x1 : b[2], -(x0 > b[0] ? x0 : b[0]));
  const float height = exact_add(y1 < b[3] ? y1 : b[3], -(y0 > b[1] ? y0 : b[1]));
  const float inter = exact_mul(width > 0.0f ? width : 0.0f, height > 0.0f ? height : 0.0f);
  const float whole = crowd ? area : exact_add(exact_add(area, b_area), -inter);
  return exact_div(inter, whole > 1e-6f ? whole : 1e-6f);
}

// A box that counts: a finite area (NaN and infinite coordinates have none).
JSRA_HD bool match_counts(const float* b) { return is_finite(match_area(b)); }

// What the largest overlap alone says, before ground truths take the boxes of their own largest overlap.
JSRA_HD int32_t match_by_threshold(const MatchRule& rule, float best, int32_t owner) {
  if (best >= rule.pos) return owner + 1;
  return best >= rule.neg_low && best < rule.neg_high ? MATCH_BACKGROUND : MATCH_IGNORED;
}

}  // namespace jsra
