// Boxes as deltas to reference boxes (GPU): a thread for each box.
#pragma once
#include "common/launch.h"
#include "encode_boxes/math.h"

namespace jsra {
namespace cuda {

template <class B>
__global__ void encode_boxes_kernel(const B* references, const B* targets, B* out, int64_t count, Floats means,
                                    Floats stds) {
  JSRA_FOR_EACH(i, count) encode_box<B>(references + 4 * i, targets + 4 * i, means, stds, out + 4 * i);
}

// As jsra::cpu::encode_boxes_forward.
template <class B>
void encode_boxes_forward(const B* references, const B* targets, B* out, int64_t count, Floats means, Floats stds,
                          cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = encode_boxes_kernel<B>;
  JSRA_LAUNCH_FILL(kernel, count, 128, 0, stream, references, targets, out, count, means, stds);
}

}  // namespace cuda
}  // namespace jsra
