// A fixed number of positives and negatives among matched boxes: the keys that decide which.
#pragma once
#include "common/order.h"

namespace jsra {

// Steele, Lea and Flood 2014 (SplitMix64): a bijection of 64-bit integers whose bits look random.
JSRA_HD uint64_t mix_bits(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

// The key of box i of an image, start = mix_bits(seed): no state, so that every device and every order of work gives the same.
JSRA_HD uint32_t sample_key(uint64_t start, int64_t image, int64_t i) {
  return (uint32_t)(mix_bits(start ^ ((uint64_t)image << 32 | (uint64_t)i)) >> 32);
}

// How many negatives are wanted with `positives` positives.
JSRA_HD int64_t sample_negatives(int64_t num, int64_t positives, double per_positive) {
  const int64_t rest = num - positives;
  if (per_positive < 0) return rest;
  return min_of(rest, (int64_t)(per_positive * (double)max_of<int64_t>(1, positives)));
}

}  // namespace jsra
