// Deterministic scatter-add on the GPU: sums are kept as 64-bit integers, whose order of addition does not matter.
//
// 1. fixed_largest: the largest |contribution|, as float bits.   2. fixed_add, in any order.   3. sums times fixed_one.
// The unit is a power of two such that `terms` contributions of that size cannot overflow: at least 2^-40 of the largest
// contribution for a million terms, far below float32's own rounding.
#pragma once
#include "common/launch.h"
#include "common/list.h"

namespace jsra {
namespace cuda {

using fixed_t = unsigned long long;  // two's complement; the type that atomicAdd takes

JSRA_HD uint32_t magnitude_bits(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits & 0x7fffffffu;
}

// The unit is 2^-fixed_exponent. `largest` are the bits of the largest |contribution|, of which at most `terms` meet.
JSRA_HD int fixed_exponent(uint32_t largest, int64_t terms) {
  int room = 61 - ((int)(largest >> 23) - 126);  // largest < 2^(exponent bits - 126)
  for (int64_t n = 1; n < terms; n *= 2) --room;
  return clamp_to(room, -120, 120);
}

JSRA_HD float power_of_two(int exponent) {
  const uint32_t bits = (uint32_t)(exponent + 127) << 23;
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

// The largest of what the threads of a warp hold, into `largest`; every lane must come here.
__device__ __forceinline__ void fixed_largest(uint32_t mine, unsigned int* largest) {
  for (int offset = warpSize / 2; offset > 0; offset /= 2) mine = max_of(mine, __shfl_xor_sync(0xffffffffu, mine, offset));
  if (mine && threadIdx.x % warpSize == 0) atomicMax(largest, mine);
}

template <class T> __global__ void fixed_largest_kernel(const T* values, int64_t count, unsigned int* largest) {
  uint32_t mine = 0;
  JSRA_FOR_EACH(i, count) mine = max_of(mine, magnitude_bits(float(values[i])));
  fixed_largest(mine, largest);
}

template <class I>
__global__ void fixed_clear_kernel(Pointers<I> sums, Ints counts, unsigned int* largest) {
  for (int l = 0; l < MAX_LIST; ++l) JSRA_FOR_EACH(i, counts.at[l]) sums.at[l][i] = 0;
  if (blockIdx.x == 0 && threadIdx.x == 0) *largest = 0;
}

template <class I>
__device__ __forceinline__ void fixed_add(I* sum, float v, float unit) {
  atomicAdd(reinterpret_cast<fixed_t*>(sum), (fixed_t)llrintf(v * unit));
}

// What a 1 in the sums stands for; NaN, for all of them, if a contribution was not finite, as the sums would be without the
// detour.
JSRA_HD float fixed_one(uint32_t largest, int64_t terms) {
  const uint32_t nan_bits = 0x7fc00000u;
  float nan;
  memcpy(&nan, &nan_bits, sizeof nan);
  return largest >= 0x7f800000u ? nan : power_of_two(-fixed_exponent(largest, terms));
}

template <class T, class I>
__global__ void fixed_finish_kernel(Pointers<I> sums, Pointers<T> grads, Ints counts, const unsigned int* largest,
                                    int64_t terms) {
  const float one = fixed_one(*largest, terms);
  for (int l = 0; l < MAX_LIST; ++l)
    JSRA_FOR_EACH(i, counts.at[l]) grads.at[l][i] = T((float)(long long)sums.at[l][i] * one);
}

}  // namespace cuda
}  // namespace jsra
