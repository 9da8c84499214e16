// RoI Align with the maximum over the samples of a bin, on the GPU, the gradient to the features.
#pragma once
#include "common/fixed_point.cuh"
#include "roi_align/math.h"

namespace jsra {
namespace cuda {

// One thread an output, which adds to the four cells that its maximum was interpolated from.
template <class T, class B, class I>
__global__ void roi_align_max_backward_kernel(const T* dout, const B* rois, const int32_t* level, const int32_t* argmax,
                                              Pointers<I> sums, int64_t batches, int64_t channels, Ints heights,
                                              Ints widths, Floats scales, int64_t total, int64_t bins_y, int64_t bins_x,
                                              int64_t sampling_ratio, bool aligned, const unsigned int* largest,
                                              int64_t terms) {
  using A = acc_t<T>;
  const uint32_t bits = *largest;
  if (bits >= 0x7f800000u) return;  // not finite: the finishing kernel says so
  const float unit = power_of_two(fixed_exponent(bits, terms));
  JSRA_FOR_EACH(index, total) {
    if (argmax[index] < 0) continue;
    const int64_t q = index % bins_x, p = index / bins_x % bins_y, c = index / bins_x / bins_y % channels;
    const int64_t k = index / bins_x / bins_y / channels;
    const Roi<A> roi = roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, aligned);
    const int64_t l = roi.level, height = heights.at[l], width = widths.at[l];
    const RoiAlignTaps<A> t =
        roi_align_taps(roi_align_max_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned),
                       roi_align_max_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned), p, q, argmax[index], height, width);
    I* plane = sums.at[l] + (roi.batch * channels + c) * height * width;
    for (int i = 0; i < 4; ++i) fixed_add(plane + t.cell[i], float(dout[index]) * float(t.weight[i]), unit);
  }
}

// sums: scratch of the size of the gradients; largest: scratch of one number (common/fixed_point.cuh).
template <class T, class B, class I, class N>
void roi_align_max_backward(const T* dout, const B* rois, const int32_t* level, const int32_t* argmax,
                            Pointers<T> grads, Pointers<I> sums, N* largest_scratch, int64_t batches, int64_t channels,
                            Ints heights, Ints widths, Floats scales, int64_t count, int64_t bins_y, int64_t bins_x,
                            int64_t sampling_ratio, int64_t aligned, cudaStream_t stream) {
  auto* largest = reinterpret_cast<unsigned int*>(largest_scratch);
  const int64_t total = count * channels * bins_y * bins_x, terms = 4 * count * bins_y * bins_x + 1;
  Ints counts;
  int64_t most = 0;
  for (int l = 0; l < MAX_LIST; ++l) {
    counts.at[l] = batches * channels * heights.at[l] * widths.at[l];
    most = max_of(most, counts.at[l]);
  }
  if (most == 0) return;
  auto* clear = fixed_clear_kernel<I>;
  JSRA_LAUNCH_FILL(clear, most, 256, 0, stream, sums, counts, largest);
  if (total) {
    auto* measure = fixed_largest_kernel<T>;
    JSRA_LAUNCH_FILL(measure, total, 256, 0, stream, dout, total, largest);
    auto* scatter = roi_align_max_backward_kernel<T, B, I>;
    JSRA_LAUNCH_FILL(scatter, total, 256, 0, stream, dout, rois, level, argmax, sums, batches, channels, heights,
                     widths, scales, total, bins_y, bins_x, sampling_ratio, aligned != 0, largest, terms);
  }
  auto* finish = fixed_finish_kernel<T, I>;
  JSRA_LAUNCH_FILL(finish, most, 256, 0, stream, sums, grads, counts, largest, terms);
}

}  // namespace cuda
}  // namespace jsra
