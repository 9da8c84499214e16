// The taps of a convolution that are inside the map, and the output to which a tap of an input belongs.
#pragma once
#include "common/macros.h"

namespace jsra {

struct Span {
  int64_t begin, end;
};

// The taps k of [0, taps) with start + k within [0, size).
JSRA_HD Span taps_inside(int64_t start, int64_t taps, int64_t size) {
  return Span{max_of<int64_t>(0, -start), min_of<int64_t>(taps, size - start)};
}

// The output o with o * stride - padding + tap = position; -1 if there is none.
JSRA_HD int64_t output_of(int64_t position, int64_t tap, int64_t stride, int64_t padding, int64_t outputs) {
  const int64_t at = position + padding - tap;
  if (at < 0 || at % stride) return -1;
  return at / stride < outputs ? at / stride : -1;
}

}  // namespace jsra
