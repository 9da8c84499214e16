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
    for (int64_t i = 0; i < count; ++i) {
      const int32_t match = matched[b * count + i];
      if (match < 0) continue;
      const uint32_t key = has_keys ? rising_key(keys[b * count + i]) : sample_key((uint64_t)seed, b, i);
      (match > 0 ? positives : negatives).add(key, (uint32_t)i);
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
