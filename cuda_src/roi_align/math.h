// RoI Align (He et al. 2017): the sampling grid of a bin, shared by the CPU and the CUDA kernels.
#pragma once
#include "common/bilinear.h"
#include "common/roi.h"

namespace jsra {

// How one RoI is sampled along one axis: `samples` points in each of the bins of `bin` cells, from `start`.
template <class A> struct RoiAlignAxis {
  A start, bin;
  int64_t samples;

  // The coordinate, in cells, of sample i of bin p: samples lie at the centres of equal parts of the bin.
  JSRA_HD A at(int64_t p, int64_t i) const { return start + A(p) * bin + (A(i) + A(0.5)) * bin / A(samples); }
};

// sampling_ratio <= 0 is adaptive: one sample for each cell that a bin spans, rounded up. Legacy RoIs (aligned=False)
// are at least one cell long.
template <class A>
JSRA_HD RoiAlignAxis<A> roi_align_axis(A start, A size, int64_t bins, int64_t sampling_ratio, bool aligned) {
  if (!aligned) size = max_of(size, A(1));
  const A bin = size / A(bins);
  int64_t samples = sampling_ratio;
  if (samples <= 0) {
    samples = (int64_t)bin;
    if (A(samples) < bin) ++samples;
    samples = max_of<int64_t>(samples, 1);
  }
  return RoiAlignAxis<A>{start, bin, samples};
}

}  // namespace jsra
