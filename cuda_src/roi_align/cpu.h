// RoI Align on the CPU.
#pragma once
#include <algorithm>

#include "common/list.h"
#include "roi_align/math.h"

namespace jsra {
namespace cpu {

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count]; out [count, channels, bins_y, bins_x].
template <class T>
void roi_align_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, int64_t batches,
                       int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count, int64_t bins_y,
                       int64_t bins_x, int64_t sampling_ratio, int64_t aligned) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t k = 0; k < count; ++k) {
    T* target = out + k * channels * bins_y * bins_x;
    std::fill(target, target + channels * bins_y * bins_x, T(0));
    const int64_t l = level[k], height = heights.at[l], width = widths.at[l];
    const Roi<A> roi = read_roi(rois + 5 * k, A(scales.at[l]), aligned ? A(0.5) : A(0), batches);
    if (!roi.valid) continue;
    const auto ys = roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
    const auto xs = roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
    const A norm = A(1) / A(ys.samples * xs.samples);
    const T* image = features.at[l] + roi.batch * channels * height * width;
    for (int64_t p = 0; p < bins_y; ++p)
      for (int64_t q = 0; q < bins_x; ++q)
        for (int64_t i = 0; i < ys.samples; ++i)
          for (int64_t j = 0; j < xs.samples; ++j) {
            const Tap<A> y = tap(ys.at(p, i), height), x = tap(xs.at(q, j), width);
            for (int64_t c = 0; c < channels; ++c) {
              const T* plane = image + c * height * width;
              const T *above = plane + y.low * width, *below = plane + y.high * width;
              target[(c * bins_y + p) * bins_x + q] +=
                  T(norm * (y.w_low * (x.w_low * above[x.low] + x.w_high * above[x.high]) +
                            y.w_high * (x.w_low * below[x.low] + x.w_high * below[x.high])));
            }
          }
  }
}

// The gradient to the features. Threads share out the channels, so that no two write to one cell and every run adds in
// the same order. grads: levels of [batches, channels, height, width].
template <class T>
void roi_align_backward(const T* dout, const T* rois, const int32_t* level, Pointers<T> grads, int64_t batches,
                        int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count, int64_t bins_y,
                        int64_t bins_x, int64_t sampling_ratio, int64_t aligned) {
  using A = acc_t<T>;
  for (int l = 0; l < MAX_LIST; ++l)
    if (grads.at[l]) std::fill(grads.at[l], grads.at[l] + batches * channels * heights.at[l] * widths.at[l], T(0));
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t k = 0; k < count; ++k) {
      const int64_t l = level[k], height = heights.at[l], width = widths.at[l];
      const Roi<A> roi = read_roi(rois + 5 * k, A(scales.at[l]), aligned ? A(0.5) : A(0), batches);
      if (!roi.valid) continue;
      const auto ys = roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
      const auto xs = roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
      const A norm = A(1) / A(ys.samples * xs.samples);
      const T* source = dout + (k * channels + c) * bins_y * bins_x;
      T* plane = grads.at[l] + (roi.batch * channels + c) * height * width;
      for (int64_t p = 0; p < bins_y; ++p)
        for (int64_t q = 0; q < bins_x; ++q)
          for (int64_t i = 0; i < ys.samples; ++i)
            for (int64_t j = 0; j < xs.samples; ++j) {
              const Tap<A> y = tap(ys.at(p, i), height), x = tap(xs.at(q, j), width);
              const A g = norm * A(source[p * bins_x + q]);
              T *above = plane + y.low * width, *below = plane + y.high * width;
              above[x.low] += T(g * y.w_low * x.w_low);
              above[x.high] += T(g * y.w_low * x.w_high);
              below[x.low] += T(g * y.w_high * x.w_low);
              below[x.high] += T(g * y.w_high * x.w_high);
            }
    }
}

// The maximum over the samples of a bin instead of the mean; argmax [count, channels, bins_y, bins_x] keeps which.
template <class T>
void roi_align_max_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, int32_t* argmax,
                           int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                           int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, int64_t aligned) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t k = 0; k < count; ++k) {
    const int64_t l = level[k], height = heights.at[l], width = widths.at[l], bins = bins_y * bins_x;
    const Roi<A> roi = read_roi(rois + 5 * k, A(scales.at[l]), aligned ? A(0.5) : A(0), batches);
    const auto ys = roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
    const auto xs = roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0, at = (k * channels + c) * bins; i < bins; ++i, ++at) {
        RoiAlignMax<A> best;
        if (roi.valid)
          best = roi_align_max<A>(features.at[l] + (roi.batch * channels + c) * height * width, ys, xs, i / bins_x,
                                  i % bins_x, height, width);
        out[at] = T(best.value);
        argmax[at] = best.sample;
      }
  }
}

template <class T>
void roi_align_max_backward(const T* dout, const T* rois, const int32_t* level, const int32_t* argmax,
                            Pointers<T> grads, int64_t batches, int64_t channels, Ints heights, Ints widths,
                            Floats scales, int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio,
                            int64_t aligned) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; ++c) {
    for (int l = 0; l < MAX_LIST; ++l)
      if (grads.at[l])
        for (int64_t b = 0, n = heights.at[l] * widths.at[l]; b < batches; ++b)
          std::fill_n(grads.at[l] + (b * channels + c) * n, n, T(0));
    for (int64_t k = 0; k < count; ++k) {
      const int64_t l = level[k], height = heights.at[l], width = widths.at[l], bins = bins_y * bins_x;
      const Roi<A> roi = read_roi(rois + 5 * k, A(scales.at[l]), aligned ? A(0.5) : A(0), batches);
      if (!roi.valid) continue;
      const auto ys = roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
      const auto xs = roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
      T* plane = grads.at[l] + (roi.batch * channels + c) * height * width;
      for (int64_t i = 0, at = (k * channels + c) * bins; i < bins; ++i, ++at)
        roi_align_max_add(plane, ys, xs, i / bins_x, i % bins_x, argmax[at], height, width, A(dout[at]));
    }
  }
}

}  // namespace cpu
}  // namespace jsra
