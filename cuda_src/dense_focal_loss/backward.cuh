// The gradient of dense_focal_loss (GPU): a thread for each logit.
#pragma once
#include "dense_focal_loss/forward.cuh"

namespace jsra {
namespace cuda {

template <class T, class B>
__global__ void dense_focal_loss_gradient_kernel(const B* dout, const T* map, const int32_t* labels, T* grad,
                                                 int64_t batches, int64_t count, int64_t classes, B alpha, B gamma,
                                                 int64_t first, int64_t anchors, int64_t cells) {
  JSRA_FOR_EACH(index, batches * anchors * classes * cells) {
    const FocalPlace p = focal_place(index, anchors * classes, cells);
    const int64_t place = p.image * count + first + p.cell * anchors + p.anchor / classes;
    const bool own = labels[place] == p.anchor % classes + 1;
    grad[index] = labels[place] < 0 ? T(0.0f) : T(dout[place] * focal_loss_gradient(B(map[index]), own, alpha, gamma));
  }
}

// As jsra::cpu::dense_focal_loss_backward.
template <class T, class B>
void dense_focal_loss_backward(const B* dout, Pointers<T> maps, const int32_t* labels, Pointers<T> grads,
                               int64_t batches, int64_t count, int64_t classes, double alpha, double gamma, Ints anchors,
                               Ints cells, cudaStream_t stream) {
  auto* kernel = dense_focal_loss_gradient_kernel<T, B>;
  int64_t first = 0;
  for (int l = 0; l < MAX_LIST; ++l) {
    const int64_t size = anchors.at[l] * cells.at[l];
    if (batches * size * classes == 0) continue;
    JSRA_LAUNCH_FILL(kernel, batches * size * classes, 256, 0, stream, dout, maps.at[l], labels, grads.at[l], batches,
                     count, classes, B(alpha), B(gamma), first, anchors.at[l], cells.at[l]);
    first += size;
  }
}

}  // namespace cuda
}  // namespace jsra
