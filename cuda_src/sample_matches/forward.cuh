// A fixed number of positives and negatives among matched boxes (GPU): a block for each image.
#pragma once
#include "common/select.cuh"
#include "sample_matches/math.h"

namespace jsra {
namespace cuda {

template <class N>
__global__ void sample_matches_kernel(const int32_t* matched, const N* keys, int32_t* index, int32_t* num_pos,
                                      int32_t* total, int64_t images, int64_t count, int64_t num, int64_t max_pos,
                                      double per_positive, bool has_keys, uint64_t start) {
  JSRA_DYNAMIC_SHARED(uint32_t, shared);
  for (int64_t b = blockIdx.x; b < images; b += gridDim.x) {
    int32_t* row = index + b * num;
    const auto select = [&](bool positive, int64_t k, int32_t* target) {
      return block_select(
          count, k,
          [&](int64_t i, uint32_t* key) {
            const int32_t match = matched[b * count + i];
            if (positive ? match <= 0 : match != 0) return false;
            *key = has_keys ? rising_key(keys[b * count + i]) : sample_key(start, b, i);
            return true;
          },
          [&](int64_t place, int64_t i) { target[place] = (int32_t)i; }, shared);
    };
    const int64_t pos = select(true, max_pos, row);
    const int64_t all = pos + select(false, sample_negatives(num, pos, per_positive), row + pos);
    for (int64_t i = all + threadIdx.x; i < num; i += blockDim.x) row[i] = -1;
    if (threadIdx.x == 0) num_pos[b] = (int32_t)pos, total[b] = (int32_t)all;
  }
}

// As jsra::cpu::sample_matches_forward.
template <class N>
void sample_matches_forward(const int32_t* matched, const N* keys, int32_t* index, int32_t* num_pos, int32_t* total,
                            int64_t images, int64_t count, int64_t num, int64_t max_pos, double per_positive,
                            int64_t has_keys, int64_t seed, cudaStream_t stream) {
  if (images == 0) return;
  auto* kernel = sample_matches_kernel<N>;
  JSRA_LAUNCH(kernel, blocks_for(images, 1), SELECT_THREADS, SELECT_SHARED * sizeof(uint32_t), stream, matched, keys, index,
              num_pos, total, images, count, num, max_pos, per_positive, has_keys != 0, mix_bits((uint64_t)seed));
}

}  // namespace cuda
}  // namespace jsra
