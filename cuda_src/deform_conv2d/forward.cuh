// Deformable convolution on the GPU, forward: its columns.
#pragma once
#include "common/window.cuh"
#include "deform_conv2d/math.h"

namespace jsra {
namespace cuda {

template <class T>
void deform_conv2d_forward(const T* input, const T* offset, const T* mask, T* out, Pointers<T> input_last,
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
  window_forward(Pointers<T>{{const_cast<T*>(input)}}, input_last, sizes, plan, count, kernel_y, kernel_x, false, out,
                 stream);
}

}  // namespace cuda
}  // namespace jsra
