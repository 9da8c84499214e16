// The k smallest of many numbers on the GPU, by one block: the k-th smallest digit by digit, then all up to it by rising index.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

constexpr int SELECT_THREADS = 512;
constexpr int SELECT_SHARED = 256 + 2 * SELECT_THREADS / 32 + 4;  // words of shared memory

JSRA_HD int count_bits(uint32_t v) {
  v -= v >> 1 & 0x55555555u;
  v = (v & 0x33333333u) + (v >> 2 & 0x33333333u);
  return (int)(((v + (v >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24);
}

// One block of SELECT_THREADS. read(i, &key): whether i of 0..count-1 is a candidate, and its key. emit(p, i): i is the one of
// place p among the chosen, by rising index; of equal keys those of the smallest indices are chosen. Returns how many (k, or
// all candidates). shared: SELECT_SHARED words.
template <class Read, class Emit>
__device__ __forceinline__ int64_t block_select(int64_t count, int64_t k, Read read, Emit emit, uint32_t* shared) {
  uint32_t *digits = shared, *below = shared + 256, *equal = below + SELECT_THREADS / 32, *found = equal + SELECT_THREADS / 32;
  if (k <= 0) return 0;
  // The key of the k-th smallest, from its highest digit; `left` of those with just that key are chosen.
  uint32_t prefix = 0, mask = 0;
  int64_t left = k, chosen = k;
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int d = threadIdx.x; d < 256; d += blockDim.x) digits[d] = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
      uint32_t key = 0;
      if (read(i, &key) && (key & mask) == prefix) atomicAdd(digits + (key >> shift & 255u), 1u);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int64_t before = 0;
      int d = 0;
      for (; d < 255 && before + digits[d] < left; ++d) before += digits[d];
      found[0] = (uint32_t)d;
      found[1] = (uint32_t)before;
      found[2] = (uint32_t)(before + digits[d]);  // all candidates, where they are fewer than k
    }
    __syncthreads();
    if (shift == 24 && found[2] < (uint32_t)k) {  // all of them
      chosen = found[2];
      left = count;
      prefix = 0xffffffffu;
      break;
    }
    prefix |= found[0] << shift;
    mask |= 255u << shift;
    left -= found[1];
    __syncthreads();
  }
  // Each warp has a stretch of its own: first it counts, then it writes.
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  const int64_t stretch = (count + blockDim.x - 1) / blockDim.x * 32, first = warp * stretch;
  int64_t under = 0, same = 0;
  for (int pass = 0; pass < 2; ++pass) {
    for (int64_t i = first + lane; i - lane < min_of(first + stretch, count); i += 32) {
      uint32_t key = 0;
      const bool candidate = i < count && read(i, &key);
      const uint32_t unders = __ballot_sync(0xffffffffu, candidate && key < prefix);
      const uint32_t sames = __ballot_sync(0xffffffffu, candidate && key == prefix);
      if (pass == 1) {
        const uint32_t earlier = (1u << lane) - 1u;
        const int64_t u = under + count_bits(unders & earlier), s = same + count_bits(sames & earlier);
        if (candidate && (key < prefix || (key == prefix && s < left))) emit(u + min_of(s, left), i);
      }
      under += count_bits(unders);
      same += count_bits(sames);
    }
    if (pass == 1) break;
    if (lane == 0) below[warp] = (uint32_t)under, equal[warp] = (uint32_t)same;
    __syncthreads();
    under = same = 0;
    for (int w = 0; w < warp && w < warps; ++w) under += below[w], same += equal[w];
  }
  __syncthreads();
  return chosen;
}

}  // namespace cuda
}  // namespace jsra
