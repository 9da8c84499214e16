// The anchors with the largest scores of each level (GPU): a block for each image and level chooses, then each of the chosen
// counts how many come before it.
#pragma once
#include "common/dense.h"
#include "common/order.h"
#include "common/select.cuh"

namespace jsra {
namespace cuda {

// chosen, keys [batches, total]: those of each level by rising index.
template <class T, class N>
__global__ void dense_top_k_select_kernel(Pointers<T> maps, N* chosen, N* keys, int64_t batches, int64_t k, int64_t total,
                                          DenseLevels levels) {
  JSRA_DYNAMIC_SHARED(uint32_t, shared);
  for (int64_t task = blockIdx.x; task < batches * MAX_LIST; task += gridDim.x) {
    const int64_t b = task % batches, level = task / batches, a = levels.anchors.at[level], n = levels.cells.at[level];
    int64_t start = b * total;
    for (int64_t l = 0; l < level; ++l) start += min_of(k, levels.anchors.at[l] * levels.cells.at[l]);
    const T* map = maps.at[level] + b * a * n;
    const auto key = [&](int64_t i) { return falling_key(float(map[i % a * n + i / a])); };
    block_select(
        a * n, min_of(k, a * n),
        [&](int64_t i, uint32_t* found) {
          *found = key(i);
          return true;
        },
        [&](int64_t place, int64_t i) {
          chosen[start + place] = (N)i;
          keys[start + place] = (N)key(i);
        },
        shared);
  }
}

template <class T, class N>
__global__ void dense_top_k_order_kernel(Pointers<T> maps, const N* chosen, const N* keys, N* index, float* value,
                                         int64_t batches, int64_t k, int64_t total, DenseLevels levels) {
  JSRA_FOR_EACH(at, batches * total) {
    const int64_t b = at / total;
    int64_t level = 0, start = b * total, first = 0;
    while (true) {
      const int64_t n = levels.anchors.at[level] * levels.cells.at[level];
      if (at < start + min_of(k, n)) break;
      start += min_of(k, n);
      first += n;
      ++level;
    }
    const int64_t a = levels.anchors.at[level], n = levels.cells.at[level], i = chosen[at];
    int64_t rank = 0;
    for (int64_t j = start; j < start + min_of(k, a * n); ++j)
      rank += (uint32_t)keys[j] < (uint32_t)keys[at] || (keys[j] == keys[at] && j < at);
    index[start + rank] = (N)(first + i);
    value[start + rank] = float(maps.at[level][(b * a + i % a) * n + i / a]);
  }
}

// As jsra::cpu::dense_top_k_forward. Scratch: chosen, keys [batches, total].
template <class T>
void dense_top_k_forward(Pointers<T> maps, int32_t* index, float* value, int32_t* chosen, int32_t* keys, int64_t batches,
                         int64_t k, int64_t total, Ints anchors, Ints cells, cudaStream_t stream) {
  if (batches * total == 0) return;
  const DenseLevels levels{anchors, cells};
  auto* select = dense_top_k_select_kernel<T, int32_t>;
  JSRA_LAUNCH(select, blocks_for(batches * MAX_LIST, 1), SELECT_THREADS, SELECT_SHARED * sizeof(uint32_t), stream, maps,
              chosen, keys, batches, k, total, levels);
  auto* order = dense_top_k_order_kernel<T, int32_t>;
  JSRA_LAUNCH_FILL(order, batches * total, 128, 0, stream, maps, chosen, keys, index, value, batches, k, total, levels);
}

}  // namespace cuda
}  // namespace jsra
