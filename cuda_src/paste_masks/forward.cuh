// Small masks, resized into their boxes of the image (GPU): a block for each mask, a thread for each pixel.
#pragma once
#include "common/launch.h"
#include "paste_masks/math.h"

namespace jsra {
namespace cuda {

inline __global__ void paste_masks_kernel(const float* masks, const float* boxes, const int32_t* places, uint8_t* out,
                                          int64_t count, int64_t side, int64_t total, float least) {
  for (int64_t k = blockIdx.x; k < count; k += gridDim.x) {
    const MaskWindow w = mask_window(places, k, count, total);
    const float *mask = masks + k * side * side, *box = boxes + 4 * k;
    for (int64_t n = threadIdx.x; n < w.width * w.height; n += blockDim.x) {
      const PasteTap x = paste_tap(w.left + n / w.height, box[0], box[2], side);
      const PasteTap y = paste_tap(w.top + n % w.height, box[1], box[3], side);
      const auto row = [&](int32_t p) {
        if (p < 0 || p >= side) return 0.0f;
        const float left = x.low < 0 ? 0.0f : mask[p * side + x.low];
        const float right = x.low + 1 < side ? mask[p * side + x.low + 1] : 0.0f;
        return x.w_low * left + x.w_high * right;
      };
      out[w.start + n] = y.w_low * row(y.low) + y.w_high * row(y.low + 1) >= least;
    }
  }
}

// As jsra::cpu::paste_masks_forward.
inline void paste_masks_forward(const float* masks, const float* boxes, const int32_t* places, uint8_t* out, int64_t count,
                                int64_t side, int64_t total, double threshold, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = paste_masks_kernel;
  JSRA_LAUNCH(kernel, blocks_for(count, 1), 256, 0, stream, masks, boxes, places, out, count, side, total, (float)threshold);
}

}  // namespace cuda
}  // namespace jsra
