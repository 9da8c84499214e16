// Focal loss on dense maps of logits (CPU): planes of a map are read in the order in which they lie, in blocks of positions.
#pragma once
#include <algorithm>

#include "dense_focal_loss/math.h"

namespace jsra {
namespace cpu {

constexpr int64_t FOCAL_BLOCK = 1024;  // positions: their sums stay in the first-level cache

// A block of positions of one anchor of one level: labels of the block, and where its logits and losses lie.
struct FocalBlock {
  int64_t level, size, plane, loss, step;  // logit (class c, i): plane + c * cells + i; loss i: loss + i * step
};

// Calls f(block) for all blocks of all images, levels and anchors, in parallel.
template <class F>
inline void focal_blocks(int64_t batches, int64_t count, int64_t classes, const Ints& anchors, const Ints& cells, F f) {
  int64_t first = 0;
  for (int64_t level = 0; level < MAX_LIST; ++level) {
    const int64_t a = anchors.at[level], n = cells.at[level], blocks = (n + FOCAL_BLOCK - 1) / FOCAL_BLOCK;
#pragma omp parallel for schedule(dynamic)
    for (int64_t task = 0; task < batches * a * blocks; ++task) {
      const int64_t start = task % blocks * FOCAL_BLOCK, anchor = task / blocks % a, image = task / blocks / a;
      f(FocalBlock{level, std::min(FOCAL_BLOCK, n - start), (image * a + anchor) * classes * n + start,
                   image * count + first + start * a + anchor, a});
    }
    first += a * n;
  }
}

// maps: levels of [batches, anchors * classes, cells]; labels int32, out [batches, count], anchors counted as in common/dense.h.
template <class T, class B>
void dense_focal_loss_forward(Pointers<T> maps, const int32_t* labels, B* out, int64_t batches, int64_t count,
                              int64_t classes, double alpha, double gamma, Ints anchors, Ints cells) {
  focal_blocks(batches, count, classes, anchors, cells, [&](const FocalBlock& b) {
    B sums[FOCAL_BLOCK] = {};
    int32_t label[FOCAL_BLOCK];
    for (int64_t i = 0; i < b.size; ++i) label[i] = labels[b.loss + i * b.step];
    for (int64_t c = 0; c < classes; ++c) {
      const T* logits = maps.at[b.level] + b.plane + c * cells.at[b.level];
      for (int64_t i = 0; i < b.size; ++i) sums[i] += focal_loss(B(logits[i]), label[i] == c + 1, B(alpha), B(gamma));
    }
    for (int64_t i = 0; i < b.size; ++i) out[b.loss + i * b.step] = label[i] < 0 ? B(0) : sums[i];
  });
}

// The gradient to the maps from dout [batches, count].
template <class T, class B>
void dense_focal_loss_backward(const B* dout, Pointers<T> maps, const int32_t* labels, Pointers<T> grads,
                               int64_t batches, int64_t count, int64_t classes, double alpha, double gamma, Ints anchors,
                               Ints cells) {
  focal_blocks(batches, count, classes, anchors, cells, [&](const FocalBlock& b) {
    B weight[FOCAL_BLOCK];
    int32_t label[FOCAL_BLOCK];
    for (int64_t i = 0; i < b.size; ++i) {
      label[i] = labels[b.loss + i * b.step];
      weight[i] = label[i] < 0 ? B(0) : dout[b.loss + i * b.step];
    }
    for (int64_t c = 0; c < classes; ++c) {
      const int64_t plane = b.plane + c * cells.at[b.level];
      const T* logits = maps.at[b.level] + plane;
      T* grad = grads.at[b.level] + plane;
      for (int64_t i = 0; i < b.size; ++i)
        grad[i] = T(weight[i] * focal_loss_gradient(B(logits[i]), label[i] == c + 1, B(alpha), B(gamma)));
    }
  });
}

}  // namespace cpu
}  // namespace jsra
