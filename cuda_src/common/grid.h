// The sampling grid of a box: of all grids of at most M blocks, the one whose aspect ratio is nearest to the box's.
//
// Nearness is the distance of the logarithms of width / height, but nothing here takes one: with r0 < r1 the ratios of
// two neighbouring grids, a ratio r is nearer to r1 if r^2 > r0 * r1. Products of small integers and of box sides in
// double precision decide alike on the CPU and on the GPU, and a transposed box gets the transposed grid.
#pragma once
#include "common/macros.h"

namespace jsra {

// roi: (index, x0, y0, x1, y1). table [entries, 2]: (rows, columns), by rising columns / rows, one grid (the largest) for each
// ratio. A negative index is no RoI: no rows and no columns.
template <class B> JSRA_HD void choose_grid(const B* roi, const int32_t* table, int64_t entries, int32_t* grid) {
  if (is_finite(roi[0]) && roi[0] < B(0)) {
    grid[0] = grid[1] = 0;
    return;
  }
  const B* box = roi + 1;
  double width = 1e-6, height = 1e-6;  // also of a box that is not finite: a square grid
  bool finite = true;
  for (int i = 0; i < 4; ++i) finite = finite && is_finite(box[i]);
  if (finite) {
    width = max_of(double(box[2]) - double(box[0]), width);
    height = max_of(double(box[3]) - double(box[1]), height);
  }
  // The first grid that is as wide as the box, or wider.
  int64_t low = 0, high = entries - 1;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (double(table[2 * middle + 1]) * height >= double(table[2 * middle]) * width)
      high = middle;
    else
      low = middle + 1;
  }
  int64_t best = low;
  if (low > 0) {
    const int32_t *narrow = table + 2 * (low - 1), *wide = table + 2 * low;
    const double box_side = width * width * (double(narrow[0]) * double(wide[0]));
    const double grid_side = height * height * (double(narrow[1]) * double(wide[1]));
    // Halfway: the larger area; of equal areas, the one nearer to a square.
    const int32_t area0 = narrow[0] * narrow[1], area1 = wide[0] * wide[1];
    const bool prefer_narrow = area0 != area1 ? area0 > area1 : wide[1] > wide[0];
    if (box_side < grid_side || (box_side == grid_side && prefer_narrow)) best = low - 1;
  }
  grid[0] = table[2 * best];
  grid[1] = table[2 * best + 1];
}

}  // namespace jsra
