// The sampling grids of the dynamic feature sampler on the GPU.
#pragma once
#include "common/grid.h"
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class B>
__global__ void dynamic_sampler_grids_kernel(const B* rois, const int32_t* table, int32_t* grids, int64_t count,
                                             int64_t entries) {
  JSRA_FOR_EACH(k, count) choose_grid(rois + 5 * k, table, entries, grids + 2 * k);
}

// As jsra::cpu::dynamic_sampler_grids.
template <class B>
void dynamic_sampler_grids(const B* rois, const int32_t* table, int32_t* grids, int64_t count, int64_t entries,
                           cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = dynamic_sampler_grids_kernel<B>;
  JSRA_LAUNCH_FILL(kernel, count, 128, 0, stream, rois, table, grids, count, entries);
}

}  // namespace cuda
}  // namespace jsra
