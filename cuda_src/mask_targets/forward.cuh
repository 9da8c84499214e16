// Masks cut out and resized to boxes (GPU): a thread for each number of a target.
#pragma once
#include "common/launch.h"
#include "mask_targets/math.h"

namespace jsra {
namespace cuda {

inline __global__ void mask_targets_kernel(const uint8_t* bitmaps, const int32_t* places, const float* boxes,
                                           const int32_t* index, float* out, int64_t count, int64_t side, int64_t windows,
                                           int64_t total, int64_t height, int64_t width, int64_t sampling_ratio,
                                           bool aligned) {
  JSRA_FOR_EACH(n, count * side * side) {
    const int64_t k = n / (side * side), p = n / side % side, q = n % side;
    const MaskSampling s = mask_sampling(boxes, index, places, k, side, windows, total, height, width, sampling_ratio, aligned);
    double sum = 0.0;
    if (s.valid) {
      int64_t i0, i1, j0, j1;
      s.y.range(p, &i0, &i1);
      s.x.range(q, &j0, &j1);
      for (int64_t j = j0; j < j1; ++j) {
        const Tap<double> x = s.x.at(q, j);
        for (int64_t i = i0; i < i1; ++i) sum += mask_sample(bitmaps + s.window.start, s.window.height, s.y.at(p, i), x);
      }
      sum /= (double)(s.y.bins.samples * s.x.bins.samples);
    }
    out[n] = (float)sum;
  }
}

// As jsra::cpu::mask_targets_forward.
inline void mask_targets_forward(const uint8_t* bitmaps, const int32_t* places, const float* boxes, const int32_t* index,
                                 float* out, int64_t count, int64_t side, int64_t windows, int64_t total, int64_t height,
                                 int64_t width, int64_t sampling_ratio, int64_t aligned, cudaStream_t stream) {
  if (count * side == 0) return;
  auto* kernel = mask_targets_kernel;
  JSRA_LAUNCH_FILL(kernel, count * side * side, 128, 0, stream, bitmaps, places, boxes, index, out, count, side, windows, total,
                   height, width, sampling_ratio, aligned != 0);
}

}  // namespace cuda
}  // namespace jsra
