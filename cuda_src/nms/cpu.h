// Non-maximum suppression on the CPU: a sweep over the boxes by falling score that drops the suppressed ones as it goes.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "nms/math.h"

namespace jsra {
namespace cpu {

// The boxes that are not yet suppressed, coordinate by coordinate, so that their overlaps with a box are computed as vectors.
template <class T> struct NmsColumns {
  std::vector<T> x0, y0, x1, y1, area;
  std::vector<int32_t> id;
  std::vector<uint8_t> near;  // may be suppressed: nms_suppresses decides

  explicit NmsColumns(size_t n) : x0(n), y0(n), x1(n), y1(n), area(n), id(n), near(n) {}
  NmsBox<T> at(size_t i) const { return NmsBox<T>{x0[i], y0[i], x1[i], y1[i], area[i]}; }
  void set(size_t i, const NmsBox<T>& b, int32_t name) {
    x0[i] = b.x0, y0[i] = b.y0, x1[i] = b.x1, y1[i] = b.y1, area[i] = b.area, id[i] = name;
  }
  void move(size_t to, size_t from) { set(to, at(from), id[from]); }
};

// Mark the boxes in [begin, end) whose overlap with `a` is above the threshold, or so near to it that rounding could decide.
template <class T>
int nms_mark(NmsColumns<T>& c, size_t begin, size_t end, const NmsBox<T>& a, T threshold) {
  const T *x0 = c.x0.data(), *y0 = c.y0.data(), *x1 = c.x1.data(), *y1 = c.y1.data(), *area = c.area.data();
  uint8_t* near = c.near.data();
  const T limit = threshold * T(0.9999);
  int any = 0;
#pragma omp simd reduction(| : any)
  for (size_t j = begin; j < end; ++j) {
    const T width = max_of(min_of(a.x1, x1[j]) - max_of(a.x0, x0[j]), T(0));
    const T height = max_of(min_of(a.y1, y1[j]) - max_of(a.y0, y0[j]), T(0));
    const T inter = width * height;
    const int hit = (inter > limit * (a.area + area[j] - inter)) & (inter > T(0));
    near[j] = (uint8_t)hit;
    any |= hit;
  }
  return any;
}

// Sweep c[begin, end), sorted by falling score; appends the ids of the boxes that stay, `limit` at most.
template <class T>
void nms_sweep(NmsColumns<T>& c, size_t begin, size_t end, double threshold, size_t limit, std::vector<int32_t>& kept) {
  constexpr size_t CHUNK = 512;  // its columns and marks stay in the first-level cache while the leaders pass over it
  constexpr size_t LEADERS = 32;
  std::vector<NmsBox<T>> leaders;
  limit += kept.size();
  while (begin < end) {
    // The next leaders: the first boxes that are kept among those not yet suppressed.
    leaders.clear();
    size_t next = begin;
    for (; next < end && leaders.size() < LEADERS; ++next) {
      const NmsBox<T> box = c.at(next);
      bool stays = true;
      for (const NmsBox<T>& leader : leaders)
        if (nms_suppresses(leader, box, threshold)) {
          stays = false;
          break;
        }
      if (!stays) continue;
      leaders.push_back(box);
      kept.push_back(c.id[next]);
      if (kept.size() == limit) return;
    }
    // Drop what they suppress.
    size_t standing = next;
    for (size_t first = next; first < end; first += CHUNK) {
      const size_t start = standing;
      size_t stop = standing;
      for (size_t j = first; j < std::min(first + CHUNK, end); ++j) c.move(stop++, j);
      for (const NmsBox<T>& leader : leaders) {
        if (!nms_mark(c, start, stop, leader, T(threshold))) continue;
        size_t left = start;
        for (size_t j = start; j < stop; ++j)
          if (!c.near[j] || !nms_suppresses(leader, c.at(j), threshold)) c.move(left++, j);
        stop = left;
      }
      standing = stop;
    }
    begin = next;
    end = standing;
  }
}

// The boxes of one image that take part.
template <class T> struct NmsInput {
  std::vector<const T*> box;
  std::vector<T> score;
  std::vector<int32_t> group;

  void add(const T* row, T value, int32_t of) {
    box.push_back(row);
    score.push_back(value);
    group.push_back(of);
  }
};

// Places in the input of the boxes that stay, by falling score, equal scores by rising place; `limit` at most.
template <class T>
std::vector<int32_t> nms_keep(const NmsInput<T>& in, int64_t moved_limit, double threshold, int64_t limit) {
  const int64_t count = (int64_t)in.box.size(), mode = nms_mode(count, moved_limit);
  std::vector<int32_t> ids;
  if (limit <= 0) return ids;
  T largest = T(0);
  bool any = false;
  for (const T* row : in.box)
    for (int c = 0; c < 4; ++c)
      if (is_finite(row[c]) && (!any || row[c] > largest)) largest = row[c], any = true;

  using Entry = std::pair<uint64_t, int32_t>;
  std::vector<Entry> sorted(count);
  for (int64_t i = 0; i < count; ++i) sorted[i] = Entry(~score_key(in.score[i]), (int32_t)i);
  const int32_t* groups = in.group.data();
  if (mode == NMS_COMPARED_GROUPS)
    std::sort(sorted.begin(), sorted.end(), [groups](const Entry& a, const Entry& b) {
      return groups[a.second] != groups[b.second] ? groups[a.second] < groups[b.second] : a < b;
    });
  else
    std::sort(sorted.begin(), sorted.end());

  NmsColumns<T> columns(count);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t id = sorted[i].second;
    columns.set(i, nms_box(in.box[id], nms_offset(mode, groups[id], largest)), id);
  }
  if (mode == NMS_COMPARED_GROUPS) {
    for (int64_t begin = 0, end; begin < count; begin = end) {
      for (end = begin + 1; end < count && groups[sorted[end].second] == groups[sorted[begin].second];) ++end;
      nms_sweep(columns, begin, end, threshold, limit, ids);
    }
    std::sort(ids.begin(), ids.end(), [&in](int32_t a, int32_t b) {
      return Entry(~score_key(in.score[a]), a) < Entry(~score_key(in.score[b]), b);
    });
    if ((int64_t)ids.size() > limit) ids.resize(limit);
  } else {
    nms_sweep(columns, 0, count, threshold, limit, ids);
  }
  return ids;
}

// boxes [images, count, 4]; scores [images, count]; groups [images or 1, count]; valid [images, count] if has_valid;
// keep [images, limit]: the indices that stay, by falling score, equal scores by rising index, then -1; kept [images]: how
// many. The rest: scratch of the CUDA kernel, unused.
template <class T>
void nms_forward(const T* boxes, const T* scores, const int32_t* groups, const int32_t* valid, int32_t* keep,
                 int32_t* kept, int32_t*, int32_t*, int32_t*, T*, int64_t images, int64_t count, int64_t limit,
                 int64_t groups_shared, int64_t has_valid, int64_t moved_limit, double threshold) {
#pragma omp parallel for schedule(dynamic)
  for (int64_t b = 0; b < images; ++b) {
    NmsInput<T> in;
    std::vector<int32_t> index;
    for (int64_t i = b * count; i < (b + 1) * count; ++i) {
      if (has_valid && !valid[i]) continue;
      in.add(boxes + 4 * i, scores[i], groups[groups_shared ? i - b * count : i]);
      index.push_back((int32_t)(i - b * count));
    }
    const std::vector<int32_t> ids = nms_keep(in, moved_limit, threshold, limit);
    kept[b] = (int32_t)ids.size();
    for (int64_t i = 0; i < limit; ++i) keep[b * limit + i] = i < kept[b] ? index[ids[i]] : -1;
  }
}

}  // namespace cpu
}  // namespace jsra
