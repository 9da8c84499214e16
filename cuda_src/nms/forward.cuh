// Non-maximum suppression on the GPU, without a round trip to the host: rank the boxes of each image, find who would suppress
// whom (one bit a pair), and sweep those bits, one block an image.
#pragma once
#include "common/launch.h"
#include "nms/math.h"

namespace jsra {
namespace cuda {

constexpr int NMS_SWEEP_THREADS = 512;

// What every kernel below reads.
template <class T> struct NmsInputs {
  const T *boxes, *scores;
  const int32_t *groups, *valid;
  int64_t images, count;
  bool groups_shared, has_valid;
  int64_t moved_limit;

  JSRA_HD bool counts(int64_t b, int64_t i) const { return !has_valid || valid[b * count + i]; }
  JSRA_HD int32_t group(int64_t b, int64_t i) const { return groups[groups_shared ? i : b * count + i]; }
};

// order[b, r]: the box of rank r by falling score, equal scores by rising index; boxes that do not count come last. A rank is
// the number of boxes before it: count^2 comparisons, cheaper than the overlaps that follow, stable and without scratch.
template <class T> __global__ void nms_rank_kernel(NmsInputs<T> in, int32_t* order) {
  JSRA_FOR_EACH(index, in.images * in.count) {
    const int64_t b = index / in.count, i = index % in.count;
    const T* scores = in.scores + b * in.count;
    const bool counts = in.counts(b, i);
    const uint64_t key = score_key(scores[i]);
    int64_t rank = 0;
    for (int64_t j = 0; j < in.count; ++j) {
      const uint64_t other = score_key(scores[j]);
      const bool before = other > key || (other == key && j < i);
      rank += in.counts(b, j) ? !counts || before : !counts && j < i;
    }
    order[b * in.count + rank] = (int32_t)i;
  }
}

// largest[b]: the largest finite coordinate of an image's boxes; total[b]: how many count. One block an image.
template <class T> __global__ void nms_largest_kernel(NmsInputs<T> in, T* largest, int32_t* total) {
  JSRA_DYNAMIC_SHARED(T, shared);
  T *values = shared, *found = shared + blockDim.x, *numbers = shared + 2 * blockDim.x;
  for (int64_t b = blockIdx.x; b < in.images; b += gridDim.x) {
    T mine = T(0);
    bool any = false;
    int32_t number = 0;
    for (int64_t i = threadIdx.x; i < in.count; i += blockDim.x) {
      if (!in.counts(b, i)) continue;
      ++number;
      const T* row = in.boxes + 4 * (b * in.count + i);
      for (int c = 0; c < 4; ++c)
        if (is_finite(row[c]) && (!any || row[c] > mine)) mine = row[c], any = true;
    }
    values[threadIdx.x] = mine;
    found[threadIdx.x] = any ? T(1) : T(0);
    numbers[threadIdx.x] = T(number);
    __syncthreads();
    if (threadIdx.x == 0) {
      for (unsigned int t = 1; t < blockDim.x; ++t) {
        numbers[0] += numbers[t];
        if (found[t] > T(0) && (!(found[0] > T(0)) || values[t] > values[0])) values[0] = values[t], found[0] = T(1);
      }
      largest[b] = values[0];
      total[b] = (int32_t)numbers[0];
    }
    __syncthreads();
  }
}

// Bit k of mask[b, i, w]: the box of rank i suppresses that of rank 32 w + k, which is later. Words before i's, and those of
// boxes that do not count, are not written.
template <class T>
__global__ void nms_overlap_kernel(NmsInputs<T> in, const int32_t* order, const T* largest, const int32_t* total,
                                   int32_t* mask, int64_t words, double threshold) {
  JSRA_FOR_EACH(index, in.images * in.count * words) {
    const int64_t row = index / words, w = index % words, b = row / in.count, i = row % in.count;
    if (w < i / 32 || i >= total[b]) continue;
    const int64_t mode = nms_mode(total[b], in.moved_limit), first = b * in.count;
    const int32_t a = order[row], group = in.group(b, a);
    const NmsBox<T> box = nms_box(in.boxes + 4 * (first + a), nms_offset(mode, group, largest[b]));
    uint32_t bits = 0;
    for (int64_t j = max_of(i + 1, 32 * w); j < min_of<int64_t>(total[b], 32 * w + 32); ++j) {
      const int32_t other = order[first + j];
      if (mode == NMS_COMPARED_GROUPS && group != in.group(b, other)) continue;
      const NmsBox<T> later = nms_box(in.boxes + 4 * (first + other), nms_offset(mode, in.group(b, other), largest[b]));
      if (nms_suppresses(box, later, threshold)) bits |= 1u << (j % 32);
    }
    mask[index] = (int32_t)bits;
  }
}

// One block an image. 32 boxes at a time: the first warp settles them among themselves, then every thread adds to its words
// what those that stay suppress.
template <class I>
__global__ void nms_sweep_kernel(const I* orders, const I* masks, const I* total, I* keeps, I* kept, int64_t images,
                                 int64_t count, int64_t words, int64_t limit) {
  JSRA_DYNAMIC_SHARED(uint32_t, shared);
  uint32_t* removed = shared;          // [words]
  uint32_t* staying = shared + words;  // [1], bits of the current 32
  for (int64_t b = blockIdx.x; b < images; b += gridDim.x) {
    const I *order = orders + b * count, *mask = masks + b * count * words;
    I* keep = keeps + b * limit;
    const int64_t real = total[b];
    for (int64_t w = threadIdx.x; w < words; w += blockDim.x) removed[w] = 0;
    __syncthreads();
    int64_t written = 0;
    for (int64_t w = 0; 32 * w < real && written < limit; ++w) {
      const int64_t first = 32 * w;
      if (threadIdx.x < 32) {
        const int64_t i = first + threadIdx.x;
        const uint32_t mine = i < real ? (uint32_t)mask[i * words + w] : 0u;
        uint32_t gone = removed[w];
        for (int k = 0; k < 32; ++k) {
          const uint32_t row = __shfl_sync(0xffffffffu, mine, k);
          if (!(gone >> k & 1u)) gone |= row;
        }
        if (real - first < 32) gone |= 0xffffffffu << (real - first);
        const uint32_t stay = ~gone;
        if (stay >> threadIdx.x & 1u) {
          const uint32_t below = stay & ((1u << threadIdx.x) - 1u);
          int64_t position = written;
          for (uint32_t rest = below; rest; rest &= rest - 1u) ++position;
          if (position < limit) keep[position] = order[i];
        }
        if (threadIdx.x == 0) staying[0] = stay;
      }
      __syncthreads();
      const uint32_t stay = staying[0];
      for (uint32_t rest = stay; rest; rest &= rest - 1u) ++written;
      for (int64_t v = w + 1 + threadIdx.x; 32 * v < real; v += blockDim.x) {
        uint32_t gone = removed[v];
        for (int k = 0; k < 32; ++k)
          if (stay >> k & 1u) gone |= (uint32_t)mask[(first + k) * words + v];
        removed[v] = gone;
      }
      __syncthreads();
    }
    written = min_of(written, limit);
    for (int64_t i = written + threadIdx.x; i < limit; i += blockDim.x) keep[i] = -1;
    if (threadIdx.x == 0) kept[b] = (int32_t)written;
  }
}

// As jsra::cpu::nms_forward. Scratch: order [images, count], mask [images, count, ceil(count / 32)], total and largest [images].
template <class T>
void nms_forward(const T* boxes, const T* scores, const int32_t* groups, const int32_t* valid, int32_t* keep,
                 int32_t* kept, int32_t* order, int32_t* mask, int32_t* total, T* largest, int64_t images, int64_t count,
                 int64_t limit, int64_t groups_shared, int64_t has_valid, int64_t moved_limit, double threshold,
                 cudaStream_t stream) {
  if (images == 0) return;
  const int64_t words = (count + 31) / 32;
  const NmsInputs<T> in{boxes, scores, groups, valid, images, count, groups_shared != 0, has_valid != 0, moved_limit};
  auto* most = nms_largest_kernel<T>;
  JSRA_LAUNCH(most, blocks_for(images, 1), 256, 3 * 256 * sizeof(T), stream, in, largest, total);
  if (count > 0) {
    auto* rank = nms_rank_kernel<T>;
    JSRA_LAUNCH_FILL(rank, images * count, 128, 0, stream, in, order);
    auto* overlap = nms_overlap_kernel<T>;
    JSRA_LAUNCH_FILL(overlap, images * count * words, 128, 0, stream, in, order, largest, total, mask, words, threshold);
  }
  auto* sweep = nms_sweep_kernel<int32_t>;
  JSRA_LAUNCH(sweep, blocks_for(images, 1), NMS_SWEEP_THREADS, (words + 1) * sizeof(uint32_t), stream, order, mask, total,
              keep, kept, images, count, words, limit);
}

}  // namespace cuda
}  // namespace jsra
