// RoI Align on the GPU, the gradient to the features.
#pragma once
#include "common/launch.h"
#include "common/list.h"
#include "roi_align/math.h"

namespace jsra {
namespace cuda {

template <class T, class B>
__global__ void roi_align_backward_kernel(const T* dout, const B* rois, const int32_t* level, Pointers<T> grads,
                                          int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                                          int64_t count, int64_t bins_y, int64_t bins_x, int64_t sampling_ratio,
                                          bool aligned) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(c, channels) {
    for (int l = 0; l < MAX_LIST; ++l)
      if (grads.at[l])
        for (int64_t b = 0; b < batches; ++b)
          for (int64_t i = 0, n = heights.at[l] * widths.at[l]; i < n; ++i) grads.at[l][(b * channels + c) * n + i] = T(0);
    for (int64_t k = 0; k < count; ++k) {
      const int64_t l = level[k], height = heights.at[l], width = widths.at[l];
      const Roi<A> roi = read_roi(rois + 5 * k, A(scales.at[l]), aligned ? A(0.5) : A(0), batches);
      if (!roi.valid) continue;
      const auto ys = roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
      const auto xs = roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
      T* plane = grads.at[l] + (roi.batch * channels + c) * height * width;
      for (int64_t p = 0; p < bins_y; ++p)
        for (int64_t q = 0; q < bins_x; ++q) {
          const A g = A(dout[((k * channels + c) * bins_y + p) * bins_x + q]) / A(ys.samples * xs.samples);
          int64_t i0, i1, j0, j1;
          ys.range(p, height, &i0, &i1);
          xs.range(q, width, &j0, &j1);
          for (int64_t i = i0; i < i1; ++i)
            for (int64_t j = j0; j < j1; ++j) {
              const Tap<A> y = tap(ys.at(p, i), height), x = tap(xs.at(q, j), width);
              T *above = plane + y.low * width, *below = plane + y.high * width;
              above[x.low] = T(A(above[x.low]) + g * y.w_low * x.w_low);
              above[x.high] = T(A(above[x.high]) + g * y.w_low * x.w_high);
              below[x.low] = T(A(below[x.low]) + g * y.w_high * x.w_low);
              below[x.high] = T(A(below[x.high]) + g * y.w_high * x.w_high);
            }
        }
    }
  }
}

template <class T, class B>
void roi_align_backward(const T* dout, const B* rois, const int32_t* level, Pointers<T> grads, int64_t batches,
                        int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count, int64_t bins_y,
                        int64_t bins_x, int64_t sampling_ratio, int64_t aligned, cudaStream_t stream) {
  if (channels == 0) return;
  auto* kernel = roi_align_backward_kernel<T, B>;
  JSRA_LAUNCH(kernel, blocks_for(channels, 32), 32, 0, stream, dout, rois, level, grads, batches, channels, heights,
              widths, scales, count, bins_y, bins_x, sampling_ratio, aligned != 0);
}

}  // namespace cuda
}  // namespace jsra
