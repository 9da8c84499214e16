// Boxes from deltas to reference boxes (CPU).
#pragma once
#include "decode_boxes/math.h"

namespace jsra {
namespace cpu {

// references [count / repeats, 4]; deltas, out [count, 4]; sizes [.., 2], one for `per_size` boxes, if clipped.
template <class T, class B>
void decode_boxes_forward(const T* deltas, const B* references, const B* sizes, B* out, int64_t count, int64_t repeats,
                          int64_t clipped, int64_t per_size, Floats means, Floats stds, double max_log_ratio) {
  const DecodeRule rule{means, stds, max_log_ratio};
#pragma omp parallel for schedule(static) if (count > 10000)
  for (int64_t i = 0; i < count; ++i)
    decode_box<acc_t<T>>(references + 4 * (i / repeats), deltas + 4 * i, rule,
                         clipped ? sizes + 2 * (i / per_size) : nullptr, out + 4 * i);
}

// The gradient to the deltas.
template <class T, class B>
void decode_boxes_backward(const T* deltas, const B* references, const B* sizes, const B* dout, T* grad, int64_t count,
                           int64_t repeats, int64_t clipped, int64_t per_size, Floats means, Floats stds,
                           double max_log_ratio) {
  const DecodeRule rule{means, stds, max_log_ratio};
#pragma omp parallel for schedule(static) if (count > 10000)
  for (int64_t i = 0; i < count; ++i)
    decode_box_backward<acc_t<T>>(references + 4 * (i / repeats), deltas + 4 * i, rule,
                                  clipped ? sizes + 2 * (i / per_size) : nullptr, dout + 4 * i, grad + 4 * i);
}

}  // namespace cpu
}  // namespace jsra
