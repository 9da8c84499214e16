// The grid of each packed position, and its place there (GPU): a thread for each position looks for its grid.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class N>
__global__ void packing_places_kernel(const N* grids, const int32_t* offsets, int32_t* owner, int32_t* axes, int64_t count,
                                      int64_t total) {
  JSRA_FOR_EACH(t, total) {
    int64_t low = 0, high = count - 1;  // search the last grid that begins at t or before (empty grids may begin there too)
    while (low < high) {
      const int64_t middle = (low + high + 1) / 2;
      if (offsets[middle] <= t)
        low = middle;
      else
        high = middle - 1;
    }
    const int32_t rows = grids[2 * low], columns = grids[2 * low + 1], within = (int32_t)(t - offsets[low]);
    owner[t] = (int32_t)low;
    axes[t] = rows * (rows - 1) / 2 + within / columns;
    axes[total + t] = columns * (columns - 1) / 2 + within % columns;
  }
}

// As jsra::cpu::packing_places.
template <class N>
void packing_places(const N* grids, const int32_t* offsets, int32_t* owner, int32_t* axes, int64_t count, int64_t total,
                    cudaStream_t stream) {
  if (count * total == 0) return;
  auto* kernel = packing_places_kernel<N>;
  JSRA_LAUNCH_FILL(kernel, total, 256, 0, stream, grids, offsets, owner, axes, count, total);
}

}  // namespace cuda
}  // namespace jsra
