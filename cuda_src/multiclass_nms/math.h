// From class scores and boxes to detections: what the kernels of both devices share.
#pragma once
#include "common/order.h"
#include "nms/math.h"

namespace jsra {

// boxes [images, rows, classes or 1, 4]; scores [images, rows, classes]; total [images]: the rows that are real.
struct DetectionInputs {
  const float *boxes, *scores;
  const int32_t* total;
  int64_t images, rows, classes;
  bool class_boxes;
  uint32_t threshold_key;  // falling_key of the smallest score, which is excluded

  JSRA_HD const float* box(int64_t b, int64_t pair) const {
    return boxes + 4 * (class_boxes ? b * rows * classes + pair : b * rows + pair / classes);
  }
  JSRA_HD float score(int64_t b, int64_t pair) const { return scores[b * rows * classes + pair]; }
  // Whether pair (row * classes + class) is above the threshold and has a finite box; a score that is not a number is not.
  JSRA_HD bool counts(int64_t b, int64_t pair) const {
    if (!(falling_key(score(b, pair)) < threshold_key)) return false;
    const float* c = box(b, pair);
    return is_finite(c[0]) && is_finite(c[1]) && is_finite(c[2]) && is_finite(c[3]);
  }
};

// One row of the outputs: pair < 0 is none.
struct DetectionOutputs {
  float *boxes, *scores;
  int32_t *labels, *rows;

  JSRA_HD void write(const DetectionInputs& in, int64_t b, int64_t at, int64_t pair) const {
    const float* box = pair < 0 ? nullptr : in.box(b, pair);
    for (int c = 0; c < 4; ++c) boxes[4 * at + c] = box ? box[c] : 0.0f;
    scores[at] = box ? in.score(b, pair) : 0.0f;
    labels[at] = box ? (int32_t)(pair % in.classes) + 1 : 0;
    rows[at] = box ? (int32_t)(pair / in.classes) : -1;
  }
};

}  // namespace jsra
