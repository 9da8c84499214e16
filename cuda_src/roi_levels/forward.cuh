// The level of the pyramid that each RoI reads (GPU): a thread for each.
#pragma once
#include "common/launch.h"
#include "roi_levels/math.h"

namespace jsra {
namespace cuda {

template <class B>
__global__ void roi_levels_kernel(const B* rois, int32_t* out, int64_t count, int64_t levels, double finest) {
  JSRA_FOR_EACH(k, count) out[k] = roi_level(rois + 5 * k, levels, (float)finest);
}

// As jsra::cpu::roi_levels_forward.
template <class B>
void roi_levels_forward(const B* rois, int32_t* out, int64_t count, int64_t levels, double finest, cudaStream_t stream) {
  if (count == 0) return;
  auto* kernel = roi_levels_kernel<B>;
  JSRA_LAUNCH_FILL(kernel, count, 128, 0, stream, rois, out, count, levels, finest);
}

}  // namespace cuda
}  // namespace jsra
