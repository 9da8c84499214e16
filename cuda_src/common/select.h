// The k smallest of many numbers on the CPU, in one pass that hardly ever does more than compare with the k-th smallest so far.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace jsra {
namespace cpu {

// Entries are (key << 32 | index): equal keys by rising index.
class Smallest {
 public:
  explicit Smallest(int64_t k) : k_(k), limit_(k > 0 ? ~0ull : 0ull) { entries_.reserve(2 * k); }

  void add(uint32_t key, uint32_t index) {
    const uint64_t entry = (uint64_t)key << 32 | index;
    if (entry >= limit_) return;
    entries_.push_back(entry);
    if ((int64_t)entries_.size() >= 2 * k_) keep(k_);
  }

  // As `add` of keys[i] with index first + i * step. Most runs of keys hold nothing small enough: that is seen side by side.
  void add_all(const uint32_t* keys, int64_t count, int64_t first, int64_t step) {
    constexpr int64_t RUN = 64;
    for (int64_t start = 0; start < count; start += RUN) {
      const int64_t end = std::min(start + RUN, count);
      const uint32_t highest = (uint32_t)(limit_ >> 32);
      int any = 0;
      for (int64_t i = start; i < end; ++i) any |= keys[i] <= highest;
      for (int64_t i = start; any && i < end; ++i) add(keys[i], (uint32_t)(first + i * step));
    }
  }

  // Only the k smallest stay, in no order.
  void keep(int64_t k) {
    if ((int64_t)entries_.size() <= k) return;
    if (k > 0) {
      std::nth_element(entries_.begin(), entries_.begin() + (k - 1), entries_.end());
      limit_ = entries_[k - 1];
    }
    entries_.resize(k);
  }

  // The k smallest, by rising key.
  const std::vector<uint64_t>& sorted() {
    keep(k_);
    std::sort(entries_.begin(), entries_.end());
    return entries_;
  }

  // Writes the indices of what was kept, rising; returns how many.
  template <class I> int64_t indices(I* target) const {
    for (size_t i = 0; i < entries_.size(); ++i) target[i] = (I)(uint32_t)entries_[i];
    std::sort(target, target + entries_.size());
    return (int64_t)entries_.size();
  }

 private:
  int64_t k_;
  uint64_t limit_;
  std::vector<uint64_t> entries_;
};

}  // namespace cpu
}  // namespace jsra
