// The gradient of decode_boxes to the deltas on the GPU: a thread for each box.
#pragma once
#include "common/launch.h"
#include "decode_boxes/math.h"

namespace jsra {
namespace cuda {

template <class T, class B>
__global__ void decode_boxes_backward_kernel(const T* deltas, const B* references, const B* sizes, const B* dout, T* grad,
                                             int64_t count, int64_t repeats, bool clipped, int64_t per_size,
                                             DecodeRule rule) {
  JSRA_FOR_EACH(i, count)
  decode_box_backward<acc_t<T>>(references + 4 * (i / repeats), deltas + 4 * i, rule,
                                clipped ? sizes + 2 * (i / per_size) : nullptr, dout + 4 * i, grad + 4 * i);
}

// As jsra::cpu::decode_boxes_backward.
template <class T, class B>
void decode_boxes_backward(const T* deltas, const B* references, const B* sizes, const B* dout, T* grad, int64_t count,
                           int64_t repeats, int64_t clipped, int64_t per_size, Floats means, Floats stds,
                           double max_log_ratio, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = decode_boxes_backward_kernel<T, B>;
  JSRA_LAUNCH_FILL(kernel, count, 128, 0, stream, deltas, references, sizes, dout, grad, count, repeats, clipped != 0,
                   per_size, DecodeRule{means, stds, max_log_ratio});
}

}  // namespace cuda
}  // namespace jsra
