// From class scores and boxes to detections (GPU): a block for each image and class keeps its boxes, a block for each image
// chooses the best of all classes.
#pragma once
#include "common/select.cuh"
#include "multiclass_nms/math.h"

namespace jsra {
namespace cuda {

constexpr int DETECTION_THREADS = 256;

// largest[b], number[b]: the largest coordinate and the number of the pairs that count. One block an image.
template <class B>
__global__ void multiclass_nms_measure_kernel(DetectionInputs in, B* largest, int32_t* number) {
  JSRA_DYNAMIC_SHARED(B, values);
  int32_t* numbers = reinterpret_cast<int32_t*>(values + blockDim.x);
  for (int64_t b = blockIdx.x; b < in.images; b += gridDim.x) {
    B mine = B(0);
    int32_t own = 0;
    for (int64_t pair = threadIdx.x; pair < min_of<int64_t>(in.total[b], in.rows) * in.classes; pair += blockDim.x) {
      if (!in.counts(b, pair)) continue;
      const float* box = in.box(b, pair);
      for (int c = 0; c < 4; ++c)
        if ((c == 0 && own == 0) || box[c] > mine) mine = box[c];
      ++own;
    }
    values[threadIdx.x] = mine;
    numbers[threadIdx.x] = own;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (unsigned int t = 1; t < blockDim.x; ++t) {
        if (numbers[t] && (!numbers[0] || values[t] > values[0])) values[0] = values[t];
        numbers[0] += numbers[t];
      }
      largest[b] = values[0];
      number[b] = numbers[0];
    }
    __syncthreads();
  }
}

// One block for each image and class. order [images, classes, rows]: the rows that count by falling score, which `stays`
// [images, rows * classes] then says of each pair. Boxes that stay remove the later ones, one after the other, until `limit`
// stay: an image cannot have more detections.
template <class B, class I>
__global__ void multiclass_nms_class_kernel(DetectionInputs in, const B* largest, const I* number, I* orders, I* stays,
                                            int64_t limit, int64_t moved_limit, double threshold) {
  JSRA_DYNAMIC_SHARED(int32_t, count);
  for (int64_t task = blockIdx.x; task < in.images * in.classes; task += gridDim.x) {
    const int64_t b = task / in.classes, c = task % in.classes, rows = min_of<int64_t>(in.total[b], in.rows);
    I *order = orders + task * in.rows, *stay = stays + b * in.rows * in.classes + c;
    const B offset = nms_offset(nms_mode(number[b], moved_limit), (int32_t)c + 1, largest[b]);
    const auto read = [&](int64_t row) { return nms_box(in.box(b, row * in.classes + c), offset); };
    if (threadIdx.x == 0) count[0] = 0;
    __syncthreads();
    for (int64_t row = threadIdx.x; row < in.rows; row += blockDim.x) {
      const bool counts = row < rows && in.counts(b, row * in.classes + c);
      stay[row * in.classes] = counts;
      if (!counts) continue;
      const uint32_t key = falling_key(in.score(b, row * in.classes + c));
      int32_t rank = 0;
      for (int64_t other = 0; other < rows; ++other) {
        const uint32_t its = falling_key(in.score(b, other * in.classes + c));
        rank += (its < key || (its == key && other < row)) && in.counts(b, other * in.classes + c);
      }
      order[rank] = (I)row;
      atomicMax(count, rank + 1);
    }
    __syncthreads();
    int64_t kept = 0;
    for (int32_t i = 0; i < count[0]; ++i) {
      const bool stands = stay[order[i] * in.classes] != 0;
      if (stands && ++kept <= limit) {
        const auto box = read(order[i]);
        for (int32_t j = i + 1 + threadIdx.x; j < count[0]; j += blockDim.x)
          if (stay[order[j] * in.classes] && nms_suppresses(box, read(order[j]), threshold)) stay[order[j] * in.classes] = 0;
      }
      __syncthreads();
    }
    __syncthreads();
  }
}

// One block an image: the best of all that stay, then each of them counts how many come before it. chosen [images, limit].
template <class I>
__global__ void multiclass_nms_best_kernel(DetectionInputs in, const I* stays, I* chosens, DetectionOutputs out, I* kept,
                                           int64_t limit) {
  JSRA_DYNAMIC_SHARED(uint32_t, shared);
  for (int64_t b = blockIdx.x; b < in.images; b += gridDim.x) {
    const int64_t pairs = in.rows * in.classes;
    I* chosen = chosens + b * limit;
    const auto key = [&](int64_t pair) { return falling_key(in.score(b, pair)); };
    const int64_t count = block_select(
        pairs, limit,
        [&](int64_t pair, uint32_t* found) {
          if (!stays[b * pairs + pair]) return false;
          *found = key(pair);
          return true;
        },
        [&](int64_t place, int64_t pair) { chosen[place] = (I)pair; }, shared);
    for (int64_t i = threadIdx.x; i < limit; i += blockDim.x) {
      int64_t rank = i;
      if (i < count) {
        rank = 0;
        for (int64_t j = 0; j < count; ++j)
          rank += key(chosen[j]) < key(chosen[i]) || (key(chosen[j]) == key(chosen[i]) && j < i);
      }
      out.write(in, b, b * limit + rank, i < count ? chosen[i] : -1);
    }
    if (threadIdx.x == 0) kept[b] = (I)count;
    __syncthreads();
  }
}

// As jsra::cpu::multiclass_nms_forward. Scratch: order, stays [images, rows * classes], largest [images], chosen
// [images, limit + 1].
template <class B>
void multiclass_nms_forward(const B* boxes, const B* scores, const int32_t* total, B* out_boxes, B* out_scores,
                            int32_t* labels, int32_t* out_rows, int32_t* kept, int32_t* order, int32_t* stays, B* largest,
                            int32_t* chosen, int64_t images, int64_t rows, int64_t classes, int64_t class_boxes,
                            int64_t limit, int64_t moved_limit, double score_threshold, double threshold,
                            cudaStream_t stream) {
  if (images == 0) return;
  const DetectionInputs in{boxes,   scores,           total, images, rows,
                           classes, class_boxes != 0, falling_key((float)score_threshold)};
  const DetectionOutputs out{out_boxes, out_scores, labels, out_rows};
  auto* measure = multiclass_nms_measure_kernel<B>;
  JSRA_LAUNCH(measure, blocks_for(images, 1), DETECTION_THREADS, DETECTION_THREADS * (sizeof(B) + sizeof(int32_t)), stream,
              in, largest, kept);
  auto* sweep = multiclass_nms_class_kernel<B, int32_t>;
  JSRA_LAUNCH(sweep, blocks_for(images * classes, 1), DETECTION_THREADS, sizeof(int32_t), stream, in, largest, kept, order,
              stays, limit, moved_limit, threshold);
  auto* best = multiclass_nms_best_kernel<int32_t>;
  JSRA_LAUNCH(best, blocks_for(images, 1), SELECT_THREADS, SELECT_SHARED * sizeof(uint32_t), stream, in, stays, chosen, out,
              kept, limit);
}

}  // namespace cuda
}  // namespace jsra
