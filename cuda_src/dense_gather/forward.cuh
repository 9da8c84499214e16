// The numbers of chosen anchors, from the maps of all levels (GPU): a thread for each number.
#pragma once
#include "common/dense.h"
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class T>
__global__ void dense_gather_kernel(Pointers<T> maps, const int32_t* index, T* out, int64_t batches, int64_t count,
                                    int64_t depth, DenseLevels levels) {
  JSRA_FOR_EACH(i, batches * count * depth) {
    const int64_t row = i / depth;
    const DensePlace place = dense_place(levels, index[row]);
    T value = T(0.0f);
    if (place.level >= 0)
      value = maps.at[place.level][dense_offset(levels, place, row / count, depth) + i % depth * levels.cells.at[place.level]];
    out[i] = value;
  }
}

// As jsra::cpu::dense_gather_forward.
template <class T>
void dense_gather_forward(Pointers<T> maps, const int32_t* index, T* out, int64_t batches, int64_t count, int64_t depth,
                          Ints anchors, Ints cells, cudaStream_t stream) {
  if (batches * count * depth == 0) return;
  auto* kernel = dense_gather_kernel<T>;
  JSRA_LAUNCH_FILL(kernel, batches * count * depth, 256, 0, stream, maps, index, out, batches, count, depth,
                   DenseLevels{anchors, cells});
}

}  // namespace cuda
}  // namespace jsra
