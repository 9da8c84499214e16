// The dynamic feature sampler on the CPU: the grid of each RoI, and the means of its blocks, packed without padding.
#pragma once
#include <algorithm>
#include <utility>

#include "common/grid.h"
#include "common/sample_rois.h"

namespace jsra {
namespace cpu {

// rois [count, 5]; table [entries, 2] (common/grid.h); grids [count, 2]: rows, columns.
template <class T>
void dynamic_sampler_grids(const T* rois, const int32_t* table, int32_t* grids, int64_t count, int64_t entries) {
  for (int64_t k = 0; k < count; ++k) choose_grid(rois + 5 * k, table, entries, grids + 2 * k);
}

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count]; grids [count, 2];
// offsets [count + 1]; out [.., channels], the positions of RoI k by rows from offsets[k]. sides, the most rows + columns of
// an RoI, and the scratch are for CUDA.
template <class T>
void dynamic_sampler_forward(Pointers<T> features, const T* rois, const int32_t* level, const int32_t* grids,
                             const int32_t* offsets, T* out, Pointers<T>, int64_t batches, int64_t channels, Ints heights,
                             Ints widths, Floats scales, int64_t count, int64_t sides, int64_t sampling_ratio) {
  (void)sides;
  const Maps<T> maps{features, batches, channels, heights, widths, scales};
  const auto grid = [=](int64_t k) { return std::make_pair((int64_t)grids[2 * k], (int64_t)grids[2 * k + 1]); };
  const RoiPlan<T> plan(maps, rois, level, count, sampling_ratio, true, false, grid);
  sample_rois(maps, plan, [=](int64_t k, int64_t c0, int64_t valid, const T* tile) {
    T* target = out + offsets[k] * channels + c0;
    for (int64_t i = 0, n = offsets[k + 1] - offsets[k]; i < n; ++i)
      std::copy_n(tile + i * line<T>(), valid, target + i * channels);
  });
  for (int64_t k : plan.absent)
    std::fill(out + offsets[k] * channels, out + offsets[k + 1] * channels, T(0));
}

// The gradient to the features. dout [.., channels]; grads: levels of [batches, channels, height, width].
template <class T>
void dynamic_sampler_backward(const T* dout, const T* rois, const int32_t* level, const int32_t* grids,
                              const int32_t* offsets, Pointers<T> grads, int64_t batches, int64_t channels, Ints heights,
                              Ints widths, Floats scales, int64_t count, int64_t sides, int64_t sampling_ratio) {
  (void)sides;
  const Maps<T> maps{grads, batches, channels, heights, widths, scales};
  const auto grid = [=](int64_t k) { return std::make_pair((int64_t)grids[2 * k], (int64_t)grids[2 * k + 1]); };
  const RoiPlan<T> plan(maps, rois, level, count, sampling_ratio, true, true, grid);
  scatter_rois(maps, plan, [=](int64_t k, int64_t c0, int64_t valid, T* tile) {
    const T* source = dout + offsets[k] * channels + c0;
    for (int64_t i = 0, n = offsets[k + 1] - offsets[k]; i < n; ++i) {
      T* cell = tile + i * line<T>();
      std::fill(std::copy_n(source + i * channels, valid, cell), cell + line<T>(), T(0));
    }
  });
}

}  // namespace cpu
}  // namespace jsra
