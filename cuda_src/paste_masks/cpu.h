// Small masks, resized into their boxes of the image (CPU).
#pragma once
#include <algorithm>
#include <vector>

#include "paste_masks/math.h"

namespace jsra {
namespace cpu {

// masks [count, side, side], boxes [count, 4], places [count, MASK_PLACE] -> out [total]: 0 and 1, in windows of the image.
inline void paste_masks_forward(const float* masks, const float* boxes, const int32_t* places, uint8_t* out, int64_t count,
                                int64_t side, int64_t total, double threshold) {
  const float least = (float)threshold;
#pragma omp parallel
  {
    std::vector<int32_t> low;
    std::vector<float> w_low, w_high, column(side + 2);
#pragma omp for schedule(dynamic)
    for (int64_t k = 0; k < count; ++k) {
      const MaskWindow w = mask_window(places, k, count, total);
      const float *mask = masks + k * side * side, *box = boxes + 4 * k;
      low.resize(w.height), w_low.resize(w.height), w_high.resize(w.height);
      for (int64_t y = 0; y < w.height; ++y) {
        const PasteTap t = paste_tap(w.top + y, box[1], box[3], side);
        low[y] = t.low + 1, w_low[y] = t.w_low, w_high[y] = t.w_high;
      }
      for (int64_t x = 0; x < w.width; ++x) {
        const PasteTap t = paste_tap(w.left + x, box[0], box[2], side);
        column.front() = column.back() = 0.0f;
        for (int64_t p = 0; p < side; ++p) {
          const float left = t.low < 0 ? 0.0f : mask[p * side + t.low];
          const float right = t.low + 1 < side ? mask[p * side + t.low + 1] : 0.0f;
          column[p + 1] = t.w_low * left + t.w_high * right;
        }
        uint8_t* target = out + w.start + x * w.height;
        const float* values = column.data();
        for (int64_t y = 0; y < w.height; ++y)
          target[y] = w_low[y] * values[low[y]] + w_high[y] * values[low[y] + 1] >= least;
      }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
