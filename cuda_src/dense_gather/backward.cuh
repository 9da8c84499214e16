// The gradient of dense_gather on the GPU: zeros, then a thread for each number that is not zero.
#pragma once
#include "common/dense.h"
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class T> __global__ void dense_gather_clear_kernel(T* grad, int64_t size) {
  JSRA_FOR_EACH(i, size) grad[i] = T(0.0f);
}

// The first of equal indices adds up all of them, by rising place: no atomics.
template <class T>
__global__ void dense_gather_scatter_kernel(const T* dout, const int32_t* index, Pointers<T> grads, int64_t batches,
                                            int64_t count, int64_t depth, DenseLevels levels) {
  JSRA_FOR_EACH(i, batches * count * depth) {
    const int64_t row = i / depth, image = row / count, first = image * count, d = i % depth;
    const DensePlace place = dense_place(levels, index[row]);
    bool seen = place.level < 0;
    for (int64_t j = first; !seen && j < row; ++j) seen = index[j] == index[row];
    if (seen) continue;
    acc_t<T> sum = acc_t<T>(0);
    for (int64_t j = row; j < first + count; ++j)
      if (index[j] == index[row]) sum += acc_t<T>(dout[j * depth + d]);
    grads.at[place.level][dense_offset(levels, place, image, depth) + d * levels.cells.at[place.level]] = T(sum);
  }
}

// As jsra::cpu::dense_gather_backward.
template <class T>
void dense_gather_backward(const T* dout, const int32_t* index, Pointers<T> grads, int64_t batches, int64_t count,
                           int64_t depth, Ints anchors, Ints cells, cudaStream_t stream) {
  auto* clear = dense_gather_clear_kernel<T>;
  for (int l = 0; l < MAX_LIST; ++l) {
    const int64_t size = batches * anchors.at[l] * depth * cells.at[l];
    if (size) JSRA_LAUNCH_FILL(clear, size, 256, 0, stream, grads.at[l], size);
  }
  if (batches * count * depth == 0) return;
  auto* scatter = dense_gather_scatter_kernel<T>;
  JSRA_LAUNCH_FILL(scatter, batches * count * depth, 128, 0, stream, dout, index, grads, batches, count, depth,
                   DenseLevels{anchors, cells});
}

}  // namespace cuda
}  // namespace jsra
