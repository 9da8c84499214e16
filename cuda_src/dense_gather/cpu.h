// The numbers of chosen anchors, from the maps of all levels (CPU).
#pragma once
#include <algorithm>

#include "common/dense.h"

namespace jsra {
namespace cpu {

// maps: levels of [batches, anchors * depth, cells]; index [batches, count]; out [batches, count, depth].
template <class T>
void dense_gather_forward(Pointers<T> maps, const int32_t* index, T* out, int64_t batches, int64_t count, int64_t depth,
                          Ints anchors, Ints cells) {
  const DenseLevels levels{anchors, cells};
#pragma omp parallel for schedule(static) if (batches * count * depth > 10000)
  for (int64_t i = 0; i < batches * count; ++i) {
    T* target = out + i * depth;
    const DensePlace place = dense_place(levels, index[i]);
    if (place.level < 0) {
      std::fill_n(target, depth, T(0));
      continue;
    }
    const T* source = maps.at[place.level] + dense_offset(levels, place, i / count, depth);
    for (int64_t d = 0; d < depth; ++d) target[d] = source[d * cells.at[place.level]];
  }
}

// dout [batches, count, depth]; grads: levels of [batches, anchors * depth, cells]. An anchor that was chosen more than once
// gets the sum, by rising place in `index`.
template <class T>
void dense_gather_backward(const T* dout, const int32_t* index, Pointers<T> grads, int64_t batches, int64_t count,
                           int64_t depth, Ints anchors, Ints cells) {
  const DenseLevels levels{anchors, cells};
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < batches; ++b) {
    for (int l = 0; l < MAX_LIST; ++l) {
      const int64_t size = anchors.at[l] * depth * cells.at[l];
      if (size) std::fill_n(grads.at[l] + b * size, size, T(0));
    }
    for (int64_t i = b * count; i < (b + 1) * count; ++i) {
      const DensePlace place = dense_place(levels, index[i]);
      if (place.level < 0) continue;
      T* target = grads.at[place.level] + dense_offset(levels, place, b, depth);
      for (int64_t d = 0; d < depth; ++d) target[d * cells.at[place.level]] += dout[i * depth + d];
    }
  }
}

}  // namespace cpu
}  // namespace jsra
