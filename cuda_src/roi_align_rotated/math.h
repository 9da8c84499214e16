// RoI Align on rotated boxes (Ma et al. 2018; RoI Transformer, Ding et al. 2019): the samples of a bin.
#pragma once
#include <math.h>

#include "common/roi.h"
#include "common/window.h"

namespace jsra {

// rois [count, 6]: batch index, centre x, centre y, width, height in image pixels, angle in radians. A bin is the mean of
// ny * nx samples, each a window of its own, since rotation leaves nothing separable.
template <class A, class B>
struct RotatedRoiAlign {
  const B* rois;
  const int32_t* level;
  int64_t batches;
  Ints heights, widths;
  Floats scales;
  int64_t bins_y, bins_x, sampling_ratio;
  bool aligned, clockwise;
  int64_t groups;

  struct Box {
    bool valid;
    int64_t image, level, ny, nx;
    A x, y, width, height, angle;
  };

  // Beyond this many samples along a bin's side, a box is far larger than any map.
  static constexpr int64_t MOST = 1024;

  JSRA_HD int64_t samples(A size, int64_t bins) const {
    if (sampling_ratio > 0) return sampling_ratio;
    const A bin = size / A(bins);
    int64_t n = (int64_t)bin;
    if (A(n) < bin) ++n;
    return clamp_to<int64_t>(n, 1, MOST);
  }

  JSRA_HD Box box(int64_t k) const {
    const B* row = rois + 6 * k;
    const RoiPlace place = roi_place(rois, level, k, 6, scales, batches);
    Box b{false, place.batch, place.level, 0, 0, A(0), A(0), A(0), A(0), A(0)};
    const bool empty = !aligned || sampling_ratio > 0;  // whether a box of no width or height has samples
    if (!place.valid || row[3] < B(0) || row[4] < B(0) || (!empty && !(row[3] > B(0) && row[4] > B(0)))) return b;
    const A scale = A(scales.at[b.level]), shift = aligned ? A(0.5) : A(0), least = aligned ? A(0) : A(1);
    b.valid = true;
    b.x = A(row[1]) * scale - shift;
    b.y = A(row[2]) * scale - shift;
    b.width = max_of(A(row[3]) * scale, least);
    b.height = max_of(A(row[4]) * scale, least);
    b.angle = clockwise ? -A(row[5]) : A(row[5]);
    b.ny = samples(b.height, bins_y);
    b.nx = samples(b.width, bins_x);
    return b;
  }

  JSRA_HD int64_t parts(int64_t k, int64_t, int64_t) const {
    const Box b = box(k);
    return b.ny * b.nx;
  }

  JSRA_HD Window<A, SampledAxis<A>> at(int64_t k, int64_t, int64_t p, int64_t q, int64_t s) const {
    const Box b = box(k);
    const int64_t l = b.level, nx = max_of<int64_t>(b.nx, 1), ny = max_of<int64_t>(b.ny, 1);
    const A v = ((A(p) + (A(s / nx) + A(0.5)) / A(ny)) / A(bins_y) - A(0.5)) * b.height;
    const A u = ((A(q) + (A(s % nx) + A(0.5)) / A(nx)) / A(bins_x) - A(0.5)) * b.width;
    const A c = cos(b.angle), n = sin(b.angle);
    return {b.valid,
            l,
            b.image,
            A(1) / A(nx * ny),
            SampledAxis<A>{v * c - u * n + b.y, A(1), 1, heights.at[l]},
            SampledAxis<A>{v * n + u * c + b.x, A(1), 1, widths.at[l]}};
  }
};

}  // namespace jsra
