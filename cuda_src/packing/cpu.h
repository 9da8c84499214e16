// Where the positions of grids lie in one packed array (CPU).
#pragma once
#include "common/macros.h"

namespace jsra {
namespace cpu {

// grids [count, 2] (rows, columns) -> offsets [count + 1], and summary [2]: all positions, the largest rows + columns.
template <class N> void packing_forward(const N* grids, int32_t* offsets, int32_t* summary, int64_t count) {
  int32_t total = 0, sides = 0;
  for (int64_t k = 0; k < count; ++k) {
    offsets[k] = total;
    total += grids[2 * k] * grids[2 * k + 1];
    sides = max_of<int32_t>(sides, grids[2 * k] + grids[2 * k + 1]);
  }
  if (count == 0) return;
  offsets[count] = total;
  summary[0] = total;
  summary[1] = sides;
}

// owner [total]: the grid of each position. axes [2, total]: for its row and its column, index and side as one number,
// side * (side - 1) / 2 + index.
template <class N>
void packing_places(const N* grids, const int32_t* offsets, int32_t* owner, int32_t* axes, int64_t count, int64_t total) {
#pragma omp parallel for schedule(static) if (total > 10000)
  for (int64_t k = 0; k < count; ++k) {
    const int32_t rows = grids[2 * k], columns = grids[2 * k + 1];
    int64_t t = offsets[k];
    for (int32_t y = 0; y < rows; ++y)
      for (int32_t x = 0; x < columns; ++x, ++t) {
        owner[t] = (int32_t)k;
        axes[t] = rows * (rows - 1) / 2 + y;
        axes[total + t] = columns * (columns - 1) / 2 + x;
      }
  }
}

}  // namespace cpu
}  // namespace jsra
