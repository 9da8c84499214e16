// Non-maximum suppression on the GPU, without a round trip to the host: rank the boxes, find who would suppress whom (one
// bit a pair), and sweep those bits in one block.
#pragma once
#include "common/launch.h"
#include "nms/math.h"

namespace jsra {
namespace cuda {

constexpr int NMS_SWEEP_THREADS = 512;

// order[r]: the box of rank r by falling score, equal scores by rising index. A rank is the number of boxes before it:
// count^2 comparisons, cheaper than the overlaps that follow, stable and without scratch.
template <class T>
__global__ void nms_rank_kernel(const T* scores, int32_t* order, int32_t* keep, int64_t count) {
  JSRA_FOR_EACH(i, count) {
    const uint64_t key = score_key(scores[i]);
    int64_t rank = 0;
    for (int64_t j = 0; j < count; ++j) {
      const uint64_t other = score_key(scores[j]);
      rank += other > key || (other == key && j < i);
    }
    order[rank] = (int32_t)i;
    keep[i] = 0;
  }
}

// largest[0]: the largest finite coordinate of all boxes; one block.
template <class T> __global__ void nms_largest_kernel(const T* boxes, T* largest, int64_t count) {
  JSRA_DYNAMIC_SHARED(T, shared);
  T mine = T(0);
  bool any = false;
  for (int64_t i = threadIdx.x; i < 4 * count; i += blockDim.x)
    if (is_finite(boxes[i]) && (!any || boxes[i] > mine)) mine = boxes[i], any = true;
  T* values = shared;
  T* found = shared + blockDim.x;
  values[threadIdx.x] = mine;
  found[threadIdx.x] = any ? T(1) : T(0);
  __syncthreads();
  if (threadIdx.x == 0) {
    for (unsigned int t = 1; t < blockDim.x; ++t)
      if (found[t] > T(0) && (!(found[0] > T(0)) || values[t] > values[0])) values[0] = values[t], found[0] = T(1);
    largest[0] = values[0];
  }
}

// Bit b of mask[i, w]: the box of rank i suppresses that of rank 32 w + b, which is later. Words before i's are not written.
template <class T>
__global__ void nms_overlap_kernel(const T* boxes, const int32_t* groups, const int32_t* order, const T* largest,
                                   int32_t* mask, int64_t count, int64_t words, int64_t mode, double threshold) {
  JSRA_FOR_EACH(index, count * words) {
    const int64_t i = index / words, w = index % words;
    if (w < i / 32) continue;
    const int32_t a = order[i];
    const NmsBox<T> box = nms_box(boxes + 4 * (int64_t)a, nms_offset(mode, groups[a], largest[0]));
    uint32_t bits = 0;
    for (int64_t j = max_of(i + 1, 32 * w); j < min_of(count, 32 * w + 32); ++j) {
      const int32_t b = order[j];
      if (mode == NMS_COMPARED_GROUPS && groups[a] != groups[b]) continue;
      const NmsBox<T> other = nms_box(boxes + 4 * (int64_t)b, nms_offset(mode, groups[b], largest[0]));
      if (nms_suppresses(box, other, threshold)) bits |= 1u << (j % 32);
    }
    mask[index] = (int32_t)bits;
  }
}

// One block. 32 boxes at a time: the first warp settles them among themselves, then every thread adds to its words what
// those that stay suppress.
template <class I>
__global__ void nms_sweep_kernel(const I* order, const I* mask, I* keep, I* kept, int64_t count, int64_t words) {
  JSRA_DYNAMIC_SHARED(uint32_t, shared);
  uint32_t* removed = shared;            // [words]
  uint32_t* staying = shared + words;    // [1], bits of the current 32
  for (int64_t w = threadIdx.x; w < words; w += blockDim.x) removed[w] = 0;
  __syncthreads();
  int64_t written = 0;
  for (int64_t w = 0; w < words; ++w) {
    const int64_t first = 32 * w;
    if (threadIdx.x < 32) {
      const int64_t i = first + threadIdx.x;
      const uint32_t mine = i < count ? (uint32_t)mask[i * words + w] : 0u;
      uint32_t gone = removed[w];
      for (int b = 0; b < 32; ++b) {
        const uint32_t row = __shfl_sync(0xffffffffu, mine, b);
        if (!(gone >> b & 1u)) gone |= row;
      }
      if (count - first < 32) gone |= 0xffffffffu << (count - first);
      const uint32_t stay = ~gone;
      if (stay >> threadIdx.x & 1u) {
        const uint32_t below = stay & ((1u << threadIdx.x) - 1u);
        int64_t position = written;
        for (uint32_t rest = below; rest; rest &= rest - 1u) ++position;
        keep[position] = order[i];
      }
      if (threadIdx.x == 0) staying[0] = stay;
    }
    __syncthreads();
    const uint32_t stay = staying[0];
    for (uint32_t rest = stay; rest; rest &= rest - 1u) ++written;
    for (int64_t v = w + 1 + threadIdx.x; v < words; v += blockDim.x) {
      uint32_t gone = removed[v];
      for (int b = 0; b < 32; ++b)
        if (stay >> b & 1u) gone |= (uint32_t)mask[(first + b) * words + v];
      removed[v] = gone;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) kept[0] = (int32_t)written;
}

// As jsra::cpu::nms_forward. Scratch: order [count], mask [count * ceil(count / 32)], largest [1].
template <class T>
void nms_forward(const T* boxes, const T* scores, const int32_t* groups, int32_t* keep, int32_t* kept, int32_t* order,
                 int32_t* mask, T* largest, int64_t count, int64_t mode, double threshold, cudaStream_t stream) {
  if (count == 0) return;
  const int64_t words = (count + 31) / 32;
  auto* rank = nms_rank_kernel<T>;
  JSRA_LAUNCH_FILL(rank, count, 128, 0, stream, scores, order, keep, count);
  auto* most = nms_largest_kernel<T>;
  JSRA_LAUNCH(most, 1, 256, 2 * 256 * sizeof(T), stream, boxes, largest, count);
  auto* overlap = nms_overlap_kernel<T>;
  JSRA_LAUNCH_FILL(overlap, count * words, 128, 0, stream, boxes, groups, order, largest, mask, count, words, mode,
                   threshold);
  auto* sweep = nms_sweep_kernel<int32_t>;
  JSRA_LAUNCH(sweep, 1, NMS_SWEEP_THREADS, (words + 1) * sizeof(uint32_t), stream, order, mask, keep, kept, count, words);
}

}  // namespace cuda
}  // namespace jsra
