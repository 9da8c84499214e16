// Deformable convolution on the GPU, backward: from its columns to the input, the offsets and the masks.
#pragma once
#include "common/window.cuh"
#include "deform_conv2d/math.h"

namespace jsra {
namespace cuda {

template <class Plan, class T>
__global__ void deform_conv2d_finish_kernel(Plan plan, int64_t total, int64_t groups, int64_t kernel_y,
                                            int64_t kernel_x, const float* slopes, T* doffset, T* dmask) {
  const int64_t taps = kernel_y * kernel_x;
  JSRA_FOR_EACH(i, total)
  plan.finish(i / taps / groups, i / taps % groups, i % taps / kernel_x, i % kernel_x, slopes + i * SLOPES, doffset,
              dmask);
}

template <class T, class I, class N>
void deform_conv2d_backward(const T* dout, const T* input, const T* offset, const T* mask, Pointers<T> grads,
                            Pointers<I> sums, N* largest, T* dout_last, float* slopes, T* doffset, T* dmask,
                            int64_t batches, int64_t channels, int64_t height, int64_t width, int64_t rows,
                            int64_t columns, int64_t kernel_y, int64_t kernel_x, Ints strides, Ints padding,
                            Ints dilation, int64_t groups, int64_t has_mask, cudaStream_t stream) {
  const DeformConv2d<acc_t<T>, T> plan{
      offset,
      has_mask ? mask : nullptr,
      height,
      width,
      rows,
      columns,
      kernel_y,
      kernel_x,
      ConvSettings{strides.at[0], strides.at[1], padding.at[0], padding.at[1], dilation.at[0], dilation.at[1]},
      groups};
  const MapSizes sizes{batches, channels, Ints{{height}}, Ints{{width}}};
  const int64_t count = batches * rows * columns;
  window_backward(dout, dout_last, grads, sums, largest, sizes, plan, count, kernel_y, kernel_x, false, stream);
  const int64_t total = count * groups * kernel_y * kernel_x;
  if (total == 0) return;
  window_slopes(dout_last, Pointers<T>{{const_cast<T*>(input)}}, sums, sizes, plan, count, kernel_y, kernel_x, slopes,
                stream);
  using Plan = DeformConv2d<acc_t<T>, T>;
  auto* kernel = deform_conv2d_finish_kernel<Plan, T>;
  JSRA_LAUNCH_FILL(kernel, total, 256, 0, stream, plan, total, groups, kernel_y, kernel_x, slopes, doffset, dmask);
}

}  // namespace cuda
}  // namespace jsra
