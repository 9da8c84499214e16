// Samples all RoIs of a plan, or adds their gradients, block of channels by block of channels (CPU).
//
// How an operator uses it (roi_align/cpu.h is the example):
//
//   Maps<T> maps{features, batches, channels, heights, widths, scales};
//   RoiPlan<T> plan(maps, rois, level, count, sampling_ratio, aligned, false,
//                   [&](int64_t k) { return std::make_pair(rows of RoI k, columns of RoI k); });
//   sample_rois(maps, plan, [&](int64_t k, int64_t c0, int64_t valid, const T* tile) {
//     // tile [rows * columns, line<T>()] holds the channels c0 to c0 + valid of RoI k: copy them to the output.
//   });
//   // RoIs in plan.absent touch no map: fill their outputs with zeros.
//
// The gradient is the mirror image: a plan with gradient = true, and scatter_rois(maps, plan, fetch), where
// fetch(k, c0, valid, tile) fills the tile; it writes all of the maps, zeros included. Every cell is written by one thread
// in a fixed order: the same bits in every run.
#pragma once
#include <cstring>

#include "common/roi_plan.h"
#include "common/separable.h"

namespace jsra {
namespace cpu {

// Which pieces of a map's rows any RoI touches: [height, pieces], a piece being LANES cells.
class TouchedPieces {
 public:
  template <class A> TouchedPieces(const PlannedRoi<A>* begin, const PlannedRoi<A>* end, int64_t height, int64_t width)
      : lanes_(Vector<A>::LANES), pieces_((width + lanes_ - 1) / lanes_), touched_(height * pieces_, 0) {
    std::vector<uint8_t> row(pieces_);
    for (; begin < end; ++begin) {
      std::fill(row.begin(), row.end(), 0);
      for (int32_t j = 0; j < begin->x.count; ++j) row[begin->x.cells[j] / lanes_] = 1;
      // The last vector of a row overlaps the piece before.
      if (width % lanes_ && pieces_ > 1 && row.back()) row[pieces_ - 2] = 1;
      for (int32_t i = 0; i < begin->y.count; ++i) {
        uint8_t* target = &touched_[begin->y.cells[i] * pieces_];
        for (int64_t t = 0; t < pieces_; ++t) target[t] |= row[t];
      }
    }
  }

  // Calls f(x0, x1, touched) for each run of pieces of a row.
  template <class F> void runs(int64_t y, int64_t width, F f) const {
    const uint8_t* row = &touched_[y * pieces_];
    for (int64_t t = 0, end; t < pieces_; t = end) {
      for (end = t + 1; end < pieces_ && row[end] == row[t]; ++end) {}
      f(t * lanes_, min_of(end * lanes_, width), row[t] != 0);
    }
  }

 private:
  int64_t lanes_, pieces_;
  std::vector<uint8_t> touched_;
};

namespace detail {

// Runs task(group, level, image, first channel, channels, ...) for all groups x blocks of channels.
template <class T> struct BlockTasks {
  static constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  std::vector<int64_t> groups;
  std::vector<std::unique_ptr<TouchedPieces>> touched;
  int64_t blocks, largest = 0;

  BlockTasks(const Maps<T>& maps, const RoiPlan<T>& plan, bool all) : blocks((maps.channels + LINE - 1) / LINE) {
    for (int64_t g = 0; g < plan.groups; ++g) {
      const int64_t l = g / maps.batches, height = maps.heights.at[l], width = maps.widths.at[l];
      if (height * width == 0 || (!all && plan.first[g] == plan.first[g + 1])) continue;
      groups.push_back(g);
      largest = max_of(largest, height * (width | 1) * LINE);
    }
    touched.resize(groups.size());
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < (int64_t)groups.size(); ++i) {
      const int64_t g = groups[i], l = g / maps.batches;
      touched[i].reset(new TouchedPieces(plan.rois.data() + plan.first[g], plan.rois.data() + plan.first[g + 1],
                                         maps.heights.at[l], maps.widths.at[l]));
    }
  }
};

}  // namespace detail

// Calls work(block, stride, roi, c0, valid, scratch, tile) for each RoI and block of channels: the block [height, stride,
// LINE] holds the channels c0 to c0 + valid of the RoI's image; tile has room for its bins, scratch for its columns.
template <class T, class Work> void over_blocks(const Maps<T>& maps, const RoiPlan<T>& plan, Work work) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  const detail::BlockTasks<T> tasks(maps, plan, false);
#pragma omp parallel
  {
    Buffer<T> block(tasks.largest), tile(plan.max_bins * LINE), scratch(plan.max_columns * LINE);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < (int64_t)tasks.groups.size() * tasks.blocks; ++task) {
      const int64_t i = task / tasks.blocks, g = tasks.groups[i], c0 = task % tasks.blocks * LINE;
      const int64_t l = g / maps.batches, b = g % maps.batches, valid = min_of(LINE, maps.channels - c0);
      const int64_t height = maps.heights.at[l], width = maps.widths.at[l], plane = height * width, stride = width | 1;
      const T* planes = maps.at.at[l] + (b * maps.channels + c0) * plane;
      for (int64_t y = 0; y < height; ++y)
        tasks.touched[i]->runs(y, width, [&](int64_t x0, int64_t x1, bool touched) {
          if (touched) row_to_block(planes + y * width, plane, valid, x0, x1, width, block.data() + y * stride * LINE);
        });
      for (int64_t r = plan.first[g]; r < plan.first[g + 1]; ++r)
        work(block.data(), stride, plan.rois[r], c0, valid, scratch.data(), tile.data());
    }
  }
}

template <class T, class Emit> void sample_rois(const Maps<T>& maps, const RoiPlan<T>& plan, Emit emit) {
  over_blocks(maps, plan, [=](const T* block, int64_t stride, const PlannedRoi<T>& roi, int64_t c0, int64_t valid,
                              T* scratch, T* tile) {
    separable_forward(block, stride, roi.y, roi.x, scratch, tile);
    emit(roi.k, c0, valid, tile);
  });
}

template <class T, class Fetch> void scatter_rois(const Maps<T>& maps, const RoiPlan<T>& plan, Fetch fetch) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  const detail::BlockTasks<T> tasks(maps, plan, true);
#pragma omp parallel
  {
    Buffer<T> block(tasks.largest), tile(plan.max_bins * LINE), scratch(plan.max_columns * LINE);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < (int64_t)tasks.groups.size() * tasks.blocks; ++task) {
      const int64_t i = task / tasks.blocks, g = tasks.groups[i], c0 = task % tasks.blocks * LINE;
      const int64_t l = g / maps.batches, b = g % maps.batches, valid = min_of(LINE, maps.channels - c0);
      const int64_t height = maps.heights.at[l], width = maps.widths.at[l], plane = height * width, stride = width | 1;
      T* planes = maps.at.at[l] + (b * maps.channels + c0) * plane;
      for (int64_t y = 0; y < height; ++y)
        tasks.touched[i]->runs(y, width, [&](int64_t x0, int64_t x1, bool touched) {
          if (touched) std::memset(block.data() + (y * stride + x0) * LINE, 0, (x1 - x0) * LINE * sizeof(T));
        });
      for (int64_t r = plan.first[g]; r < plan.first[g + 1]; ++r) {
        const PlannedRoi<T>& roi = plan.rois[r];
        fetch(roi.k, c0, valid, tile.data());
        separable_backward(block.data(), stride, roi.y, roi.x, scratch.data(), tile.data());
      }
      for (int64_t y = 0; y < height; ++y)
        tasks.touched[i]->runs(y, width, [&](int64_t x0, int64_t x1, bool touched) {
          T* row = planes + y * width;
          if (touched)
            block_to_row(block.data() + y * stride * LINE, plane, valid, x0, x1, width, row);
          else
            for (int64_t c = 0; c < valid; ++c) std::memset(row + c * plane + x0, 0, (x1 - x0) * sizeof(T));
        });
    }
  }
}

}  // namespace cpu
}  // namespace jsra
