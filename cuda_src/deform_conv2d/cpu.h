// Deformable convolution on the CPU: its columns; the product with the weights is Jittor's.
#pragma once
#include "common/window_cpu.h"
#include "deform_conv2d/math.h"

namespace jsra {
namespace cpu {

// input [batches, channels, height, width]; offset and mask: math.h;
// out [batches * rows * columns, channels, kernel_y, kernel_x]. Unnamed, here and below: scratch of the CUDA kernels.
template <class T>
void deform_conv2d_forward(const T* input, const T* offset, const T* mask, T* out, Pointers<T>, int64_t batches,
                           int64_t channels, int64_t height, int64_t width, int64_t rows, int64_t columns,
                           int64_t kernel_y, int64_t kernel_x, Ints strides, Ints padding, Ints dilation,
                           int64_t groups, int64_t has_mask) {
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
  window_forward(Pointers<T>{{const_cast<T*>(input)}}, sizes, plan, count, kernel_y, kernel_x, out);
}

// slopes [count, groups, taps, SLOPES]: scratch.
template <class T, class I, class N>
void deform_conv2d_backward(const T* dout, const T* input, const T* offset, const T* mask, Pointers<T> grads,
                            Pointers<I>, N*, T*, acc_t<T>* slopes, T* doffset, T* dmask, int64_t batches,
                            int64_t channels, int64_t height, int64_t width, int64_t rows, int64_t columns,
                            int64_t kernel_y, int64_t kernel_x, Ints strides, Ints padding, Ints dilation,
                            int64_t groups, int64_t has_mask) {
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
  window_backward(dout, grads, sizes, plan, count, kernel_y, kernel_x);
  window_slopes(dout, Pointers<T>{{const_cast<T*>(input)}}, sizes, plan, count, kernel_y, kernel_x, slopes);
  const int64_t taps = kernel_y * kernel_x;
  for (int64_t i = 0; i < count * groups * taps; ++i)
    plan.finish(i / taps / groups, i / taps % groups, i % taps / kernel_x, i % kernel_x, slopes + i * SLOPES, doffset,
                dmask);
}

}  // namespace cpu
}  // namespace jsra
