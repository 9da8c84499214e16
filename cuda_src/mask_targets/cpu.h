// Masks cut out and resized to boxes (CPU).
#pragma once
#include <algorithm>
#include <vector>

#include "mask_targets/math.h"

namespace jsra {
namespace cpu {

// bitmaps [total], places [windows, MASK_PLACE], boxes [count, 4], index [count] -> out [count, side, side]: means of 0 and 1.
inline void mask_targets_forward(const uint8_t* bitmaps, const int32_t* places, const float* boxes, const int32_t* index,
                                 float* out, int64_t count, int64_t side, int64_t windows, int64_t total, int64_t height,
                                 int64_t width, int64_t sampling_ratio, int64_t aligned) {
#pragma omp parallel
  {
    std::vector<Tap<double>> rows;
#pragma omp for schedule(dynamic, 4)
    for (int64_t k = 0; k < count; ++k) {
      float* target = out + k * side * side;
      std::fill(target, target + side * side, 0.0f);
      const MaskSampling s = mask_sampling(boxes, index, places, k, side, windows, total, height, width, sampling_ratio,
                                           aligned != 0);
      if (!s.valid) continue;
      const uint8_t* bitmap = bitmaps + s.window.start;
      const int64_t per_row = s.y.bins.samples;
      const double all = (double)(per_row * s.x.bins.samples);
      rows.resize(side * per_row);
      for (int64_t p = 0; p < side; ++p)
        for (int64_t i = 0; i < per_row; ++i) rows[p * per_row + i] = s.y.at(p, i);
      for (int64_t q = 0; q < side; ++q) {
        int64_t j0, j1;
        s.x.range(q, &j0, &j1);
        for (int64_t p = 0; p < side && j0 < j1; ++p) {
          int64_t i0, i1;
          s.y.range(p, &i0, &i1);
          double sum = 0.0;
          for (int64_t j = j0; j < j1; ++j) {
            const Tap<double> x = s.x.at(q, j);
            for (int64_t i = i0; i < i1; ++i) sum += mask_sample(bitmap, s.window.height, rows[p * per_row + i], x);
          }
          target[p * side + q] = (float)(sum / all);
        }
      }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
