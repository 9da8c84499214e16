// The anchors with the largest scores of each level (CPU).
#pragma once
#include "common/dense.h"
#include "common/order.h"
#include "common/select.h"

namespace jsra {
namespace cpu {

// maps: levels of [batches, anchors, cells]; index, value [batches, total], total = sum over levels of min(k, anchors * cells).
// chosen, keys: scratch of the CUDA kernel, unused.
template <class T>
void dense_top_k_forward(Pointers<T> maps, int32_t* index, float* value, int32_t*, int32_t*, int64_t batches, int64_t k,
                         int64_t total, Ints anchors, Ints cells) {
#pragma omp parallel for schedule(dynamic)
  for (int64_t task = 0; task < batches * MAX_LIST; ++task) {
    const int64_t b = task % batches, level = task / batches, a = anchors.at[level], n = cells.at[level];
    if (a * n == 0) continue;
    int64_t first = 0, start = 0;
    for (int64_t l = 0; l < level; ++l) {
      first += anchors.at[l] * cells.at[l];
      start += min_of(k, anchors.at[l] * cells.at[l]);
    }
    const T* map = maps.at[level] + b * a * n;
    Smallest best(min_of(k, a * n));
    std::vector<uint32_t> keys(n);
    for (int64_t i = 0; i < a; ++i) {
      for (int64_t cell = 0; cell < n; ++cell) keys[cell] = falling_key(float(map[i * n + cell]));
      best.add_all(keys.data(), n, i, a);
    }
    int64_t place = b * total + start;
    for (const uint64_t entry : best.sorted()) {
      const int64_t i = (uint32_t)entry;
      index[place] = (int32_t)(first + i);
      value[place++] = float(map[i % a * n + i / a]);
    }
  }
}

}  // namespace cpu
}  // namespace jsra
