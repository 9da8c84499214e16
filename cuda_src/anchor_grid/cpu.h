// Anchors on the grids of all levels (CPU).
#pragma once
#include "anchor_grid/math.h"

namespace jsra {
namespace cpu {

// base [levels, anchors, 4] -> out [count, 4].
template <class B>
void anchor_grid_forward(const B* base, B* out, int64_t count, int64_t anchors, Ints heights, Ints widths, Ints strides) {
  const AnchorLevels levels{heights, widths, strides, anchors};
#pragma omp parallel for schedule(static) if (count > 10000)
  for (int64_t i = 0; i < count; ++i) anchor_at(levels, base, i, out + 4 * i);
}

// sizes [images, 2] (width, height) -> out [images, count]: 1 where the anchor's cell begins within the image, else 0.
template <class N>
void anchor_grid_valid(const N* sizes, int32_t* out, int64_t images, int64_t count, int64_t anchors, Ints heights,
                       Ints widths, Ints strides) {
  const AnchorLevels levels{heights, widths, strides, anchors};
#pragma omp parallel for schedule(static) if (images * count > 10000)
  for (int64_t i = 0; i < images * count; ++i) out[i] = anchor_is_valid(levels, sizes + 2 * (i / count), i % count);
}

}  // namespace cpu
}  // namespace jsra
