// Warping of feature maps by a flow on the GPU, forward.
#pragma once
#include "common/launch.h"
#include "flow_warp/math.h"

namespace jsra {
namespace cuda {

// One thread a cell of a block of channels: the place is worked out once for all of them.
template <class T, class B>
__global__ void flow_warp_forward_kernel(const T* features, const B* flow, T* out, int64_t channels, int64_t height,
                                         int64_t width, int64_t block, int64_t blocks, int64_t total) {
  using A = acc_t<T>;
  const int64_t plane = height * width;
  JSRA_FOR_EACH(index, total) {
    const int64_t i = index % plane, part = index / plane % blocks, b = index / plane / blocks;
    const WarpTap<A> t = warp_tap<A>(flow + b * 2 * plane, i / width, i % width, height, width);
    A w[4];
    int64_t at[4];
    warp_weights(t, w);
    warp_cells(t.y.low, t.y.high, t.x.low, t.x.high, width, at);
    const int64_t last = min_of(channels, (part + 1) * block);
    for (int64_t c = part * block; c < last; ++c) {
      const T* from = features + (b * channels + c) * plane;
      A sum = A(0);
      for (int k = 0; k < 4 && t.valid; ++k) sum += w[k] * A(from[at[k]]);
      out[(b * channels + c) * plane + i] = T(sum);
    }
  }
}

template <class T, class B>
void flow_warp_forward(const T* features, const B* flow, T* out, int64_t batches, int64_t channels, int64_t height,
                       int64_t width, cudaStream_t stream) {
  const int64_t block = 16, blocks = (channels + block - 1) / block, total = batches * blocks * height * width;
  if (total == 0) return;
  auto* kernel = flow_warp_forward_kernel<T, B>;
  JSRA_LAUNCH_FILL(kernel, total, 256, 0, stream, features, flow, out, channels, height, width, block, blocks, total);
}

}  // namespace cuda
}  // namespace jsra
