// An RoI, read from its row (batch index, x0, y0, x1, y1) in image pixels and carried to feature-map cells, and the rule of all
// operators of what is no RoI.
#pragma once
#include "common/list.h"
#include "common/macros.h"

namespace jsra {

// The image and the level of an RoI. Not valid: no RoI, so no output and no gradient; both are 0 then, which can be read.
struct RoiPlace {
  bool valid;
  int64_t batch, level;
};

// Row k of rois [count, columns]. Not valid: a number that is not finite, an image or a level that does not exist (a batch
// index of -1 is how a caller marks a row that it does not use), coordinates far beyond any image. The scales of levels that
// do not exist are 0.
template <class B>
JSRA_HD RoiPlace roi_place(const B* rois, const int32_t* level, int64_t k, int columns, const Floats& scales,
                           int64_t batches) {
  const B* row = rois + k * columns;
  const int64_t l = level[k];
  if (!is_finite(row[0]) || !(row[0] >= B(0) && row[0] < B(batches))) return {false, 0, 0};
  if (l < 0 || l >= MAX_LIST || !(scales.at[l] > 0)) return {false, 0, 0};
  // Beyond 1e7 the integer arithmetic of the taps would overflow.
  for (int i = 1; i < columns; ++i)
    if (!is_finite(row[i]) || !(row[i] > B(-1e7) && row[i] < B(1e7))) return {false, 0, 0};
  return {true, (int64_t)row[0], l};
}

template <class A> struct Roi {
  bool valid;  // false: no output and no gradient
  int64_t batch, level;
  A x0, y0, width, height, x1, y1;  // cells
};

// Row k of rois [count, 5]. `offset` is 0.5 where pixel centres lie at half-integers (aligned=True), else 0. Not valid, besides
// the above: an inverted box, and a box of no width or no height, unless the operator takes its `empty` boxes as they are.
template <class A, class B>
JSRA_HD Roi<A> read_roi(const B* rois, const int32_t* level, int64_t k, const Floats& scales, A offset, int64_t batches,
                        bool empty = false) {
  const RoiPlace place = roi_place(rois, level, k, 5, scales, batches);
  Roi<A> roi{false, place.batch, place.level, A(0), A(0), A(0), A(0), A(0), A(0)};
  const B* row = rois + 5 * k;
  if (!place.valid || !(row[3] >= row[1]) || !(row[4] >= row[2])) return roi;
  const A scale = A(scales.at[place.level]);
  roi.x0 = rounded(rounded(A(row[1]) * scale) - offset);
  roi.y0 = rounded(rounded(A(row[2]) * scale) - offset);
  roi.x1 = rounded(rounded(A(row[3]) * scale) - offset);
  roi.y1 = rounded(rounded(A(row[4]) * scale) - offset);
  roi.width = roi.x1 - roi.x0;
  roi.height = roi.y1 - roi.y0;
  roi.valid = empty || (roi.width > A(0) && roi.height > A(0));
  return roi;
}

}  // namespace jsra
