// From class scores and boxes to detections (CPU).
#pragma once
#include "multiclass_nms/math.h"
#include "nms/cpu.h"

namespace jsra {
namespace cpu {

// boxes, scores, total: DetectionInputs -> out_boxes [images, limit, 4], out_scores, labels, out_rows [images, limit],
// kept [images]. The rest: scratch of the CUDA kernel, unused.
template <class B>
void multiclass_nms_forward(const B* boxes, const B* scores, const int32_t* total, B* out_boxes, B* out_scores,
                            int32_t* labels, int32_t* out_rows, int32_t* kept, int32_t*, int32_t*, B*, int32_t*,
                            int64_t images, int64_t rows, int64_t classes, int64_t class_boxes, int64_t limit,
                            int64_t moved_limit, double score_threshold, double threshold) {
  const DetectionInputs in{boxes,   scores,           total, images, rows,
                           classes, class_boxes != 0, falling_key((float)score_threshold)};
  const DetectionOutputs out{out_boxes, out_scores, labels, out_rows};
#pragma omp parallel for schedule(dynamic)
  for (int64_t b = 0; b < images; ++b) {
    NmsInput<B> found;
    std::vector<int64_t> pairs;
    for (int64_t pair = 0; pair < min_of<int64_t>(total[b], rows) * classes; ++pair) {
      if (!in.counts(b, pair)) continue;
      found.add(in.box(b, pair), in.score(b, pair), (int32_t)(pair % classes) + 1);
      pairs.push_back(pair);
    }
    const std::vector<int32_t> ids = nms_keep(found, moved_limit, threshold, limit);
    kept[b] = (int32_t)ids.size();
    for (int64_t i = 0; i < limit; ++i) out.write(in, b, b * limit + i, i < kept[b] ? pairs[ids[i]] : -1);
  }
}

}  // namespace cpu
}  // namespace jsra
