// The part of a mask inside a box, by RoI Align of the mask's bitmap of the whole image, of which only a window is stored.
#pragma once
#include "common/mask_window.h"
#include "roi_align/math.h"

namespace jsra {

// Sampling of a mask along one axis of the image, which has `size` cells; the window has `length` cells, starting at `first`.
struct MaskAxis {
  RoiAlignAxis<float> bins;
  int64_t size, first, length;

  // The tap of sample i of bin p, in cells of the window. Outside the window, weights are 0 and indices are valid addresses.
  // In double the weights of a sample are exact, so that the mean of samples does not depend on their order.
  JSRA_HD Tap<double> at(int64_t p, int64_t i) const {
    const Tap<float> t = tap(bins.at(p, i), size);
    const int64_t low = t.low - first, high = t.high - first;
    const bool has_low = low >= 0 && low < length, has_high = high >= 0 && high < length;
    return Tap<double>{has_low ? low : 0, has_high ? high : 0, has_low ? (double)t.w_low : 0.0,
                       has_high ? (double)t.w_high : 0.0};
  }

  // The samples of bin p that may touch the window.
  JSRA_HD void range(int64_t p, int64_t* begin, int64_t* end) const {
    bins.between(p, (float)(first - 1), (float)(first + length), begin, end);
  }
};

struct MaskSampling {
  bool valid;  // false: zeros
  MaskWindow window;
  MaskAxis y, x;
};

// Row k of boxes [count, 4] and its mask. The box is clipped to the image first, as in mmdet. Not valid: no mask, an empty
// mask, coordinates that are not finite, and boxes that are invalid for RoI Align.
JSRA_HD MaskSampling mask_sampling(const float* boxes, const int32_t* index, const int32_t* places, int64_t k,
                                   int64_t side, int64_t windows, int64_t total, int64_t height, int64_t width,
                                   int64_t sampling_ratio, bool aligned) {
  MaskSampling s;
  s.window = mask_window(places, index[k], windows, total);
  const float* box = boxes + 4 * k;
  s.valid = s.window.width > 0;
  for (int i = 0; i < 4; ++i) s.valid = s.valid && is_finite(box[i]);
  if (!s.valid) return s;
  const float offset = aligned ? 0.5f : 0.0f;
  const float x0 = clamp_to(box[0], 0.0f, (float)width), x1 = clamp_to(box[2], 0.0f, (float)width);
  const float y0 = clamp_to(box[1], 0.0f, (float)height), y1 = clamp_to(box[3], 0.0f, (float)height);
  const bool empty = !aligned || sampling_ratio > 0;
  s.valid = empty ? x1 >= x0 && y1 >= y0 : x1 > x0 && y1 > y0;
  const float left = rounded(x0 - offset), top = rounded(y0 - offset);
  const float right = rounded(x1 - offset), bottom = rounded(y1 - offset);
  s.x = MaskAxis{roi_align_axis(left, right - left, side, sampling_ratio, aligned), width, s.window.left, s.window.width};
  s.y = MaskAxis{roi_align_axis(top, bottom - top, side, sampling_ratio, aligned), height, s.window.top, s.window.height};
  return s;
}

// The value of one sample. `bitmap`: of the window.
JSRA_HD double mask_sample(const uint8_t* bitmap, int64_t height, const Tap<double>& y, const Tap<double>& x) {
  const uint8_t *left = bitmap + x.low * height, *right = bitmap + x.high * height;
  return x.w_low * (y.w_low * left[y.low] + y.w_high * left[y.high]) +
         x.w_high * (y.w_low * right[y.low] + y.w_high * right[y.high]);
}

}  // namespace jsra
