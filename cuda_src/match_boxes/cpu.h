// Which ground truth a box belongs to (CPU). Blocks of boxes, coordinate by coordinate: neighbouring anchors lie close
// together, so that a block meets few of the ground truths, and their overlaps are computed side by side.
#pragma once
#include <algorithm>
#include <vector>

#include "match_boxes/math.h"

namespace jsra {
namespace cpu {

constexpr int64_t MATCH_BLOCK = 256;

struct MatchBlock {
  int64_t n;
  bool some;  // at least one box is valid
  float x0[MATCH_BLOCK], y0[MATCH_BLOCK], x1[MATCH_BLOCK], y1[MATCH_BLOCK], area[MATCH_BLOCK];
  float left, top, right, bottom;  // bounds of all valid boxes
  bool out[MATCH_BLOCK];           // not valid, or inside an ignored region
  float overlap[MATCH_BLOCK];

  bool meets(const float* b) const { return b[2] > left && b[0] < right && b[3] > top && b[1] < bottom; }
};

JSRA_EXACT inline void match_row(MatchBlock& k, const float* b, bool crowd) {
  const float b_area = match_area(b);
  if (crowd)
    for (int64_t i = 0; i < k.n; ++i)
      k.overlap[i] = match_overlap(k.x0[i], k.y0[i], k.x1[i], k.y1[i], k.area[i], b, b_area, true);
  else
    for (int64_t i = 0; i < k.n; ++i)
      k.overlap[i] = match_overlap(k.x0[i], k.y0[i], k.x1[i], k.y1[i], k.area[i], b, b_area, false);
}

JSRA_EXACT inline void match_areas(MatchBlock& k) {
  for (int64_t i = 0; i < k.n; ++i) k.area[i] = (k.x1[i] - k.x0[i]) * (k.y1[i] - k.y0[i]);
}

// Boxes that are not valid are replaced by empty ones, which overlap nothing.
inline void match_drop(MatchBlock& k, int64_t i) {
  k.out[i] = true;
  k.x0[i] = k.y0[i] = k.x1[i] = k.y1[i] = k.area[i] = 0.0f;
}

// The bounds may also include boxes that are not valid, which only costs time.
inline void match_bounds(MatchBlock& k) {
  float left = k.x0[0], top = k.y0[0], right = k.x1[0], bottom = k.y1[0];
  int some = 0;
  for (int64_t i = 0; i < k.n; ++i) {
    left = min_of(left, k.x0[i]);
    top = min_of(top, k.y0[i]);
    right = max_of(right, k.x1[i]);
    bottom = max_of(bottom, k.y1[i]);
    some |= !k.out[i];
  }
  k.left = left, k.top = top, k.right = right, k.bottom = bottom, k.some = some != 0;
}

// Boxes first to first + n of an image; valid may be null.
inline void match_load(MatchBlock& k, const float* boxes, const int32_t* valid, int64_t n, const float* regions,
                       int64_t region_count, float crowd) {
  k.n = n;
  for (int64_t i = 0; i < n; ++i) {
    k.x0[i] = boxes[4 * i], k.y0[i] = boxes[4 * i + 1], k.x1[i] = boxes[4 * i + 2], k.y1[i] = boxes[4 * i + 3];
    k.out[i] = false;
  }
  match_areas(k);
  int bad = 0;
  for (int64_t i = 0; i < n; ++i) bad |= !is_finite(k.area[i]);
  for (int64_t i = 0; valid && i < n; ++i) bad |= !valid[i];
  for (int64_t i = 0; bad && i < n; ++i)
    if ((valid && !valid[i]) || !is_finite(k.area[i])) match_drop(k, i);
  match_bounds(k);
  bool dropped = false;
  for (int64_t r = 0; r < region_count; ++r) {
    if (!match_counts(regions + 4 * r) || !k.meets(regions + 4 * r)) continue;
    match_row(k, regions + 4 * r, true);
    for (int64_t i = 0; i < n; ++i)
      if (k.overlap[i] > crowd) match_drop(k, i), dropped = true;
  }
  if (dropped) match_bounds(k);
}

// The largest overlap of each box so far, and whose it is; returns the block's largest.
inline float match_better(const float* overlap, float* best, int32_t* owner, int32_t g, int64_t n) {
  float largest = 0.0f;
  for (int64_t i = 0; i < n; ++i) {
    const bool better = overlap[i] > best[i];
    owner[i] = better ? g : owner[i];
    best[i] = better ? overlap[i] : best[i];
    largest = overlap[i] > largest ? overlap[i] : largest;
  }
  return largest;
}

// boxes [images or 1, count, 4]; truths [images, truths, 4], truth_count [images]; regions, region_count: those to ignore;
// valid [images, count] if has_valid -> matched, iou [images, count]. largest, first: scratch of the CUDA kernel, unused.
template <class B>
void match_boxes_forward(const B* boxes, const B* truths, const int32_t* truth_count, const B* regions,
                         const int32_t* region_count, const int32_t* valid, int32_t* matched, B* iou, int32_t*, int32_t*,
                         int64_t images, int64_t count, int64_t room, int64_t region_room, int64_t boxes_shared,
                         int64_t has_valid, double pos, double neg_low, double neg_high, double min_pos, double crowd,
                         int64_t low_quality, int64_t assign_all) {
  const MatchRule rule{float(pos), float(neg_low), float(neg_high), float(min_pos), float(crowd), low_quality != 0,
                       assign_all != 0};
  const int64_t blocks = (count + MATCH_BLOCK - 1) / MATCH_BLOCK;
  if (images * count == 0) return;
  // The largest overlap of each ground truth within each block; -1 where no box counts.
  std::vector<float> block_largest(images * blocks * room), largest(images * room, -1.0f);
  std::vector<int64_t> first(images * room, 0);  // the first block that reaches it
  const auto load = [&](MatchBlock& k, int64_t b, int64_t start) {
    const int64_t n = min_of(MATCH_BLOCK, count - start), row = b * count + start;
    match_load(k, boxes + 4 * (boxes_shared ? start : row), has_valid ? valid + row : nullptr, n,
               regions + 4 * b * region_room, rule.crowd >= 0.0f ? region_count[b] : 0, rule.crowd);
  };
#pragma omp parallel
  {
    MatchBlock k;
    float best[MATCH_BLOCK];
    int32_t owner[MATCH_BLOCK];
#pragma omp for schedule(static)
    for (int64_t task = 0; task < images * blocks; ++task) {
      const int64_t b = task / blocks, start = task % blocks * MATCH_BLOCK;
      load(k, b, start);
      std::fill_n(best, k.n, 0.0f);
      std::fill_n(owner, k.n, 0);
      for (int32_t g = 0; g < truth_count[b]; ++g) {
        const float* truth = truths + 4 * (b * room + g);
        float reached = k.some ? 0.0f : -1.0f;
        if (k.some && match_counts(truth) && k.meets(truth)) {
          match_row(k, truth, false);
          reached = match_better(k.overlap, best, owner, g, k.n);
        }
        block_largest[task * room + g] = reached;
      }
      for (int64_t i = 0; i < k.n; ++i) {
        const int32_t here = truth_count[b] ? match_by_threshold(rule, best[i], owner[i]) : MATCH_BACKGROUND;
        matched[b * count + start + i] = k.out[i] ? MATCH_IGNORED : here;
        iou[b * count + start + i] = best[i];
      }
    }
  }
  if (!rule.low_quality) return;
  for (int64_t task = 0; task < images * blocks; ++task)
    for (int32_t b = int32_t(task / blocks), g = 0; g < truth_count[b]; ++g)
      if (block_largest[task * room + g] > largest[b * room + g]) {
        largest[b * room + g] = block_largest[task * room + g];
        first[b * room + g] = task;
      }
#pragma omp parallel
  {
    MatchBlock k;
#pragma omp for schedule(static)
    for (int64_t task = 0; task < images * blocks; ++task) {
      const int64_t b = task / blocks, start = task % blocks * MATCH_BLOCK;
      bool loaded = false;
      for (int32_t g = 0; g < truth_count[b]; ++g) {
        const float reached = largest[b * room + g];
        if (reached < 0.0f || reached < rule.min_pos || block_largest[task * room + g] != reached) continue;
        if (!rule.assign_all && first[b * room + g] != task) continue;
        if (!loaded) load(k, b, start), loaded = true;
        const float* truth = truths + 4 * (b * room + g);
        if (match_counts(truth))
          match_row(k, truth, false);
        else
          std::fill_n(k.overlap, k.n, 0.0f);
        for (int64_t i = 0; i < k.n; ++i) {
          if (k.out[i] || k.overlap[i] != reached) continue;
          matched[b * count + start + i] = g + 1;
          if (!rule.assign_all) break;
        }
      }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
