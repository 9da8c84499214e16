// An RoI, read from its row (batch index, x0, y0, x1, y1) in image pixels and carried to feature-map cells.
#pragma once
#include "common/macros.h"

namespace jsra {

template <class A> struct Roi {
  bool valid;     // false: no output and no gradient
  int64_t batch;
  A x0, y0, width, height, x1, y1;  // cells
};

// `offset` is 0.5 where pixel centres lie at half-integers (aligned=True), else 0. Not valid: a value that is not finite,
// a box without extent or inverted, a batch index or (if given) a level that does not exist.
template <class A, class B>
JSRA_HD Roi<A> read_roi(const B* row, A scale, A offset, int64_t batches) {
  Roi<A> roi{false, 0, A(0), A(0), A(0), A(0), A(0), A(0)};
  for (int i = 0; i < 5; ++i)
    if (!is_finite(row[i])) return roi;
  if (!(row[0] >= B(0) && row[0] < B(batches)) || !(row[3] > row[1]) || !(row[4] > row[2])) return roi;
  // Coordinates far beyond any image would overflow the integer arithmetic of the taps.
  for (int i = 1; i < 5; ++i)
    if (!(row[i] > B(-1e7) && row[i] < B(1e7))) return roi;
  roi.valid = true;
  roi.batch = (int64_t)row[0];
  roi.x0 = rounded(rounded(A(row[1]) * scale) - offset);
  roi.y0 = rounded(rounded(A(row[2]) * scale) - offset);
  roi.x1 = rounded(rounded(A(row[3]) * scale) - offset);
  roi.y1 = rounded(rounded(A(row[4]) * scale) - offset);
  roi.width = roi.x1 - roi.x0;
  roi.height = roi.y1 - roi.y0;
  return roi;
}

}  // namespace jsra
