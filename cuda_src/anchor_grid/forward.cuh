// Anchors on the grids of all levels (GPU): a thread for each.
#pragma once
#include "anchor_grid/math.h"
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class B>
__global__ void anchor_grid_kernel(const B* base, B* out, int64_t count, AnchorLevels levels) {
  JSRA_FOR_EACH(i, count) {
    const AnchorPlace place = anchor_place(levels, i);
    const int64_t stride = levels.strides.at[place.level];
    anchor_at(base + 4 * (place.level * levels.anchors + place.anchor), B(place.x * stride), B(place.y * stride), out + 4 * i);
  }
}

// As jsra::cpu::anchor_grid_forward.
template <class B>
void anchor_grid_forward(const B* base, B* out, int64_t count, int64_t anchors, Ints heights, Ints widths, Ints strides,
                         cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = anchor_grid_kernel<B>;
  JSRA_LAUNCH_FILL(kernel, count, 256, 0, stream, base, out, count, AnchorLevels{heights, widths, strides, anchors});
}

}  // namespace cuda
}  // namespace jsra
