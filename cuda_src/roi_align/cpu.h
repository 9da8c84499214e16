// RoI Align on the CPU.
#pragma once
#include <algorithm>
#include <utility>

#include "common/sample_rois.h"
#include "roi_align/math.h"

namespace jsra {
namespace cpu {

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count];
// out [count, channels, bins_y, bins_x]. The second Pointers: scratch of the CUDA kernel, unused.
template <class T>
void roi_align_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, Pointers<T>, int64_t batches,
                       int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count, int64_t bins_y,
                       int64_t bins_x, int64_t sampling_ratio, int64_t aligned) {
  const Maps<T> maps{features, batches, channels, heights, widths, scales};
  const RoiPlan<T> plan(maps, rois, level, count, sampling_ratio, aligned != 0, false,
                        [=](int64_t) { return std::make_pair(bins_y, bins_x); });
  const int64_t bins = bins_y * bins_x;
  sample_rois(maps, plan, [=](int64_t k, int64_t c0, int64_t valid, const T* tile) {
    tile_to_planes(tile, bins, valid, out + (k * channels + c0) * bins);
  });
  for (int64_t k : plan.absent) std::fill_n(out + k * channels * bins, channels * bins, T(0));
}

// The gradient to the features; grads: levels of [batches, channels, height, width]. The second T*: scratch of the CUDA
// kernel, unused.
template <class T>
void roi_align_backward(const T* dout, const T* rois, const int32_t* level, Pointers<T> grads, T*, int64_t batches,
                        int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count, int64_t bins_y,
                        int64_t bins_x, int64_t sampling_ratio, int64_t aligned) {
  const Maps<T> maps{grads, batches, channels, heights, widths, scales};
  const RoiPlan<T> plan(maps, rois, level, count, sampling_ratio, aligned != 0, true,
                        [=](int64_t) { return std::make_pair(bins_y, bins_x); });
  const int64_t bins = bins_y * bins_x;
  scatter_rois(maps, plan, [=](int64_t k, int64_t c0, int64_t valid, T* tile) {
    planes_to_tile(dout + (k * channels + c0) * bins, bins, valid, tile);
  });
}

// The maximum over the samples of a bin instead of the mean; argmax [count, channels, bins_y, bins_x] keeps which.
template <class T>
void roi_align_max_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, int32_t* argmax,
                           int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                           int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, int64_t aligned) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t k = 0; k < count; ++k) {
    const Roi<A> roi = roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, aligned);
    const int64_t l = roi.level, height = heights.at[l], width = widths.at[l], bins = bins_y * bins_x;
    const auto ys = roi_align_max_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
    const auto xs = roi_align_max_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
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

// Its gradient to the features. Threads share out the channels, so that no two write to one cell and every run adds in
// the same order. Pointers<I>, N*: scratch of the CUDA kernel, unused.
template <class T, class I, class N>
void roi_align_max_backward(const T* dout, const T* rois, const int32_t* level, const int32_t* argmax,
                            Pointers<T> grads, Pointers<I>, N*, int64_t batches, int64_t channels, Ints heights,
                            Ints widths, Floats scales, int64_t count, int64_t bins_y, int64_t bins_x,
                            int64_t sampling_ratio, int64_t aligned) {
  using A = acc_t<T>;
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; ++c) {
    for (int l = 0; l < MAX_LIST; ++l)
      for (int64_t b = 0, n = heights.at[l] * widths.at[l]; n > 0 && b < batches; ++b)
        std::fill_n(grads.at[l] + (b * channels + c) * n, n, T(0));
    for (int64_t k = 0; k < count; ++k) {
      const Roi<A> roi = roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, aligned);
      const int64_t l = roi.level, height = heights.at[l], width = widths.at[l], bins = bins_y * bins_x;
      if (!roi.valid) continue;
      const auto ys = roi_align_max_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
      const auto xs = roi_align_max_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
      T* plane = grads.at[l] + (roi.batch * channels + c) * height * width;
      for (int64_t i = 0, at = (k * channels + c) * bins; i < bins; ++i, ++at) {
        if (argmax[at] < 0) continue;
        const RoiAlignTaps<A> t = roi_align_taps(ys, xs, i / bins_x, i % bins_x, argmax[at], height, width);
        for (int j = 0; j < 4; ++j) plane[t.cell[j]] += T(dout[at] * t.weight[j]);
      }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
