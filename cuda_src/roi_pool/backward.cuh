// RoI pooling on the GPU, the gradient to the features.
#pragma once
#include "common/fixed_point.cuh"

namespace jsra {
namespace cuda {

// One thread an output, which adds to the cell of its maximum.
template <class T, class B, class I>
__global__ void roi_pool_backward_kernel(const T* dout, const B* rois, const int32_t* level, const int32_t* argmax,
                                         Pointers<I> sums, int64_t channels, Ints heights, Ints widths, int64_t total,
                                         int64_t bins, const unsigned int* largest, int64_t terms) {
  const uint32_t bits = *largest;
  if (bits >= 0x7f800000u) return;  // not finite: the finishing kernel says so
  const float unit = power_of_two(fixed_exponent(bits, terms));
  JSRA_FOR_EACH(i, total) {
    if (argmax[i] < 0) continue;
    const int64_t c = i / bins % channels, k = i / bins / channels, l = level[k];
    const int64_t plane = (int64_t)rois[5 * k] * channels + c;
    fixed_add(sums.at[l] + plane * heights.at[l] * widths.at[l] + argmax[i], float(dout[i]), unit);
  }
}

// sums: scratch of the size of the gradients; largest: scratch of one number (common/fixed_point.cuh).
template <class T, class B, class I, class N>
void roi_pool_backward(const T* dout, const B* rois, const int32_t* level, const int32_t* argmax, Pointers<T> grads,
                       Pointers<I> sums, N* largest_scratch, int64_t batches, int64_t channels, Ints heights,
                       Ints widths, int64_t count, int64_t bins_y, int64_t bins_x, cudaStream_t stream) {
  auto* largest = reinterpret_cast<unsigned int*>(largest_scratch);
  const int64_t bins = bins_y * bins_x, total = count * channels * bins, terms = count * bins + 1;
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
    auto* scatter = roi_pool_backward_kernel<T, B, I>;
    JSRA_LAUNCH_FILL(scatter, total, 256, 0, stream, dout, rois, level, argmax, sums, channels, heights, widths, total,
                     bins, largest, terms);
  }
  auto* finish = fixed_finish_kernel<T, I>;
  JSRA_LAUNCH_FILL(finish, most, 256, 0, stream, sums, grads, counts, largest, terms);
}

}  // namespace cuda
}  // namespace jsra
