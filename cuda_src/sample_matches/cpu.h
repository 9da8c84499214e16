// A fixed number of positives and negatives among matched boxes (CPU).
#pragma once
#include "common/select.h"
#include "sample_matches/math.h"

namespace jsra {
namespace cpu {

// matched [images, count]; keys [images, count] if has_keys, else those of `seed` -> index [images, num], num_pos [images],
// total [images].
template <class N>
void sample_matches_forward(const int32_t* matched, const N* keys, int32_t* index, int32_t* num_pos, int32_t* total,
                            int64_t images, int64_t count, int64_t num, int64_t max_pos, double per_positive,
                            int64_t has_keys, int64_t seed) {
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < images; ++b) {
    Smallest positives(max_pos), negatives(num);
    constexpr int64_t RUN = 256;
    uint32_t own[RUN];
    const uint64_t start = mix_bits((uint64_t)seed);
    for (int64_t first = b * count, i0 = 0; i0 < count; i0 += RUN) {
      const int64_t n = min_of(RUN, count - i0);
      if (has_keys)
        for (int64_t i = 0; i < n; ++i) own[i] = rising_key(keys[first + i0 + i]);
      else
        for (int64_t i = 0; i < n; ++i) own[i] = sample_key(start, b, i0 + i);
      for (int64_t i = 0; i < n; ++i) {
        const int32_t match = matched[first + i0 + i];
        if (match >= 0) (match > 0 ? positives : negatives).add(own[i], (uint32_t)(i0 + i));
      }
    }
    int32_t* row = index + b * num;
    positives.keep(max_pos);
    const int64_t pos = positives.indices(row);
    negatives.keep(sample_negatives(num, pos, per_positive));
    const int64_t all = pos + negatives.indices(row + pos);
    std::fill(row + all, row + num, -1);
    num_pos[b] = (int32_t)pos;
    total[b] = (int32_t)all;
  }
}

}  // namespace cpu
}  // namespace jsra
