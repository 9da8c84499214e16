// Numbers as unsigned integers that sort like them.
#pragma once
#include "common/macros.h"

namespace jsra {

// Not-a-number is the greatest, as in PyTorch; -0 equals 0.
JSRA_HD uint64_t score_key(float score) {
  uint32_t bits;
  memcpy(&bits, &score, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0xffffffffu;
  if (bits == 0x80000000u) bits = 0;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
JSRA_HD uint64_t score_key(double score) {
  uint64_t bits;
  memcpy(&bits, &score, sizeof bits);
  if ((bits & 0x7fffffffffffffffull) > 0x7ff0000000000000ull) return ~0ull;
  if (bits == 0x8000000000000000ull) bits = 0;
  return bits & 0x8000000000000000ull ? ~bits : bits | 0x8000000000000000ull;
}

// By falling value: the largest has the smallest key; not-a-number comes last.
JSRA_HD uint32_t falling_key(float value) {
  const uint32_t key = (uint32_t)score_key(value);
  return key == 0xffffffffu ? key : ~key;
}

JSRA_HD uint32_t rising_key(int32_t value) { return (uint32_t)value ^ 0x80000000u; }
JSRA_HD uint32_t rising_key(uint32_t value) { return value; }

}  // namespace jsra
