// Focal loss on dense maps of logits (GPU): a thread for each anchor, which adds up its classes. Neighbouring threads have
// neighbouring positions.
#pragma once
#include "common/launch.h"
#include "dense_focal_loss/math.h"

namespace jsra {
namespace cuda {

// Where thread `index` of a level works: position `cell` of `anchor` in `image`.
struct FocalPlace {
  int64_t cell, anchor, image;
};

JSRA_HD FocalPlace focal_place(int64_t index, int64_t anchors, int64_t cells) {
  return {index % cells, index / cells % anchors, index / cells / anchors};
}

// map [batches, anchors * classes, cells]; labels, out [batches, count], of which this level begins at `first`.
template <class T, class B>
__global__ void dense_focal_loss_kernel(const T* map, const int32_t* labels, B* out, int64_t batches, int64_t count,
                                        int64_t classes, B alpha, B gamma, int64_t first, int64_t anchors,
                                        int64_t cells) {
  JSRA_FOR_EACH(index, batches * anchors * cells) {
    const FocalPlace p = focal_place(index, anchors, cells);
    const int64_t place = p.image * count + first + p.cell * anchors + p.anchor;
    const T* logits = map + (p.image * anchors + p.anchor) * classes * cells + p.cell;
    B sum = B(0);
    for (int64_t c = 0; labels[place] >= 0 && c < classes; ++c)
      sum += focal_loss(B(logits[c * cells]), labels[place] == c + 1, alpha, gamma);
    out[place] = sum;
  }
}

// As jsra::cpu::dense_focal_loss_forward.
template <class T, class B>
void dense_focal_loss_forward(Pointers<T> maps, const int32_t* labels, B* out, int64_t batches, int64_t count,
                              int64_t classes, double alpha, double gamma, Ints anchors, Ints cells, cudaStream_t stream) {
  auto* kernel = dense_focal_loss_kernel<T, B>;
  int64_t first = 0;
  for (int l = 0; l < MAX_LIST; ++l) {
    const int64_t size = anchors.at[l] * cells.at[l];
    if (batches * size == 0) continue;
    JSRA_LAUNCH_FILL(kernel, batches * size, 128, 0, stream, maps.at[l], labels, out, batches, count, classes, B(alpha),
                     B(gamma), first, anchors.at[l], cells.at[l]);
    first += size;
  }
}

}  // namespace cuda
}  // namespace jsra
