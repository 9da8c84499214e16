// Which ground truth a box belongs to (GPU): a thread for each box. First the largest overlaps of boxes and of ground truths,
// then the boxes that a ground truth takes for itself. The atomics take maxima, whose order does not matter.
#pragma once
#include "common/launch.h"
#include "match_boxes/math.h"

namespace jsra {
namespace cuda {

struct MatchInputs {
  const float *boxes, *truths, *regions;
  const int32_t *truth_count, *region_count, *valid;
  MatchSizes sizes;
  MatchRule rule;
};

// Box i of image b: false where it does not count or lies in a region to ignore.
JSRA_HD bool match_read(const MatchInputs& in, int64_t b, int64_t i, float* box) {
  const float* row = in.boxes + 4 * (in.sizes.boxes_shared ? i : b * in.sizes.count + i);
  for (int c = 0; c < 4; ++c) box[c] = row[c];
  if ((in.sizes.has_valid && !in.valid[b * in.sizes.count + i]) || !match_counts(box)) return false;
  const float area = match_area(box);
  for (int32_t r = 0; in.rule.crowd >= 0.0f && r < in.region_count[b]; ++r) {
    const float* region = in.regions + 4 * (b * in.sizes.regions + r);
    if (match_counts(region) && match_overlap(box[0], box[1], box[2], box[3], area, region, 0.0f, true) > in.rule.crowd)
      return false;
  }
  return true;
}

JSRA_HD float match_with(const MatchInputs& in, int64_t b, int32_t g, const float* box, float area) {
  const float* truth = in.truths + 4 * (b * in.sizes.truths + g);
  return match_counts(truth) ? match_overlap(box[0], box[1], box[2], box[3], area, truth, match_area(truth), false) : 0.0f;
}

// Overlaps as integers that sort like them; they are not negative. -1: of no box.
JSRA_HD int32_t match_bits(float overlap) {
  int32_t bits;
  memcpy(&bits, &overlap, sizeof bits);
  return bits;
}

template <class I> __global__ void match_clear_kernel(I* largest, I* first, int64_t count) {
  JSRA_FOR_EACH(i, count) largest[i] = first[i] = -1;
}

template <class I>
__global__ void match_best_kernel(MatchInputs in, I* matched, float* iou, I* largest) {
  const int64_t tiles = (in.sizes.count + blockDim.x - 1) / blockDim.x;
  for (int64_t tile = blockIdx.x; tile < in.sizes.images * tiles; tile += gridDim.x) {
    const int64_t b = tile / tiles, i = tile % tiles * blockDim.x + threadIdx.x;
    float box[4] = {0.0f, 0.0f, 0.0f, 0.0f}, best = 0.0f;
    const bool counts = i < in.sizes.count && match_read(in, b, i, box);
    const float area = match_area(box);
    int32_t owner = 0;
    for (int32_t g = 0; g < in.truth_count[b]; ++g) {
      const float overlap = counts ? match_with(in, b, g, box, area) : 0.0f;
      if (overlap > best) best = overlap, owner = g;
      if (!in.rule.low_quality) continue;
      int32_t most = counts ? match_bits(overlap) : -1;
      for (int offset = warpSize / 2; offset > 0; offset /= 2) most = max_of(most, __shfl_xor_sync(0xffffffffu, most, offset));
      I* reached = largest + b * in.sizes.truths + g;
      if (threadIdx.x % warpSize == 0 && most > *reached) atomicMax(reached, most);
    }
    if (i >= in.sizes.count) continue;
    const int32_t here = in.truth_count[b] ? match_by_threshold(in.rule, best, owner) : MATCH_BACKGROUND;
    matched[b * in.sizes.count + i] = counts ? here : MATCH_IGNORED;
    iou[b * in.sizes.count + i] = best;
  }
}

// Whether ground truth g takes boxes of its largest overlap.
template <class I> JSRA_HD bool match_takes(const MatchInputs& in, const I* largest, int64_t b, int32_t g) {
  const int32_t reached = largest[b * in.sizes.truths + g];
  float overlap;
  memcpy(&overlap, &reached, sizeof overlap);
  return reached >= 0 && overlap >= in.rule.min_pos;
}

// first: count - i of the first box i that reaches the largest overlap; only without assign_all.
template <class I> __global__ void match_first_kernel(MatchInputs in, const I* largest, I* first) {
  JSRA_FOR_EACH(index, in.sizes.images * in.sizes.count) {
    const int64_t b = index / in.sizes.count, i = index % in.sizes.count;
    float box[4];
    if (!match_read(in, b, i, box)) continue;
    const float area = match_area(box);
    for (int32_t g = 0; g < in.truth_count[b]; ++g)
      if (match_takes(in, largest, b, g) &&
          match_bits(match_with(in, b, g, box, area)) == largest[b * in.sizes.truths + g])
        atomicMax(first + b * in.sizes.truths + g, (int32_t)(in.sizes.count - i));
  }
}

template <class I> __global__ void match_claim_kernel(MatchInputs in, const I* largest, const I* first, I* matched) {
  JSRA_FOR_EACH(index, in.sizes.images * in.sizes.count) {
    const int64_t b = index / in.sizes.count, i = index % in.sizes.count;
    float box[4];
    if (!match_read(in, b, i, box)) continue;
    const float area = match_area(box);
    for (int32_t g = 0; g < in.truth_count[b]; ++g) {
      const int64_t at = b * in.sizes.truths + g;
      if (!match_takes(in, largest, b, g) || match_bits(match_with(in, b, g, box, area)) != largest[at]) continue;
      if (in.rule.assign_all || first[at] == in.sizes.count - i) matched[index] = g + 1;
    }
  }
}

// As jsra::cpu::match_boxes_forward. Scratch: largest, first [images, truths].
template <class B>
void match_boxes_forward(const B* boxes, const B* truths, const int32_t* truth_count, const B* regions,
                         const int32_t* region_count, const int32_t* valid, int32_t* matched, B* iou, int32_t* largest,
                         int32_t* first, int64_t images, int64_t count, int64_t room, int64_t region_room,
                         int64_t boxes_shared, int64_t has_valid, double pos, double neg_low, double neg_high,
                         double min_pos, double crowd, int64_t low_quality, int64_t assign_all, cudaStream_t stream) {
  if (images * count == 0) return;
  const MatchInputs in{boxes,
                       truths,
                       regions,
                       truth_count,
                       region_count,
                       valid,
                       MatchSizes{images, count, room, region_room, boxes_shared != 0, has_valid != 0},
                       MatchRule{float(pos), float(neg_low), float(neg_high), float(min_pos), float(crowd),
                                 low_quality != 0, assign_all != 0}};
  auto* clear = match_clear_kernel<int32_t>;
  JSRA_LAUNCH_FILL(clear, images * room, 128, 0, stream, largest, first, images * room);
  auto* best = match_best_kernel<int32_t>;
  const int64_t tiles = (count + 127) / 128;
  JSRA_LAUNCH_FILL(best, images * tiles * 128, 128, 0, stream, in, matched, iou, largest);
  if (!low_quality) return;
  if (!assign_all) {
    auto* reach = match_first_kernel<int32_t>;
    JSRA_LAUNCH_FILL(reach, images * count, 128, 0, stream, in, largest, first);
  }
  auto* claim = match_claim_kernel<int32_t>;
  JSRA_LAUNCH_FILL(claim, images * count, 128, 0, stream, in, largest, first, matched);
}

}  // namespace cuda
}  // namespace jsra
