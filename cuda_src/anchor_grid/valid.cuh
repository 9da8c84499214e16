// Which anchors lie within their image (GPU): a thread for each.
#pragma once
#include "anchor_grid/math.h"
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class N>
__global__ void anchor_grid_valid_kernel(const N* sizes, int32_t* out, int64_t images, int64_t count,
                                         AnchorLevels levels) {
  JSRA_FOR_EACH(i, images * count) {
    const AnchorPlace place = anchor_place(levels, i % count);
    out[i] = anchor_is_valid(place.x, place.y, levels.strides.at[place.level], sizes + 2 * (i / count));
  }
}

// As jsra::cpu::anchor_grid_valid.
template <class N>
void anchor_grid_valid(const N* sizes, int32_t* out, int64_t images, int64_t count, int64_t anchors, Ints heights,
                       Ints widths, Ints strides, cudaStream_t stream) {
  if (images * count == 0) return;
  auto* kernel = anchor_grid_valid_kernel<N>;
  JSRA_LAUNCH_FILL(kernel, images * count, 256, 0, stream, sizes, out, images, count,
                   AnchorLevels{heights, widths, strides, anchors});
}

}  // namespace cuda
}  // namespace jsra
