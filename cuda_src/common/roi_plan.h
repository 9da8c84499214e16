// The work of sampling many RoIs, prepared once and then done block of channels by block of channels (CPU).
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "common/axis_weights.h"
#include "common/channels_last.h"
#include "common/list.h"
#include "common/roi.h"
#include "roi_align/math.h"

namespace jsra {
namespace cpu {

// The feature maps of a pyramid: levels of [batches, channels, height, width].
template <class T> struct Maps {
  Pointers<T> at;
  int64_t batches, channels;
  Ints heights, widths;
  Floats scales;
};

// An RoI that touches its map. `group`: level * batches + image.
template <class A> struct PlannedRoi {
  int64_t k;
  int32_t group;
  AxisWeights<A> y, x;
};

// How RoI Align reads an RoI: what RoiPlan asks for each axis. (RoI pooling has its own, in roi_pool/cpu.h.)
template <class A> struct RoiAlignSampling {
  using Axis = RoiAlignAxis<A>;
  int64_t ratio;
  bool aligned;

  template <class B>
  Roi<A> read(const B* rois, const int32_t* level, int64_t k, const Floats& scales, int64_t batches) const {
    return roi_align_read<A>(rois, level, k, scales, batches, ratio, aligned);
  }
  Axis y(const Roi<A>& roi, int64_t bins) const { return roi_align_axis(roi.y0, roi.height, bins, ratio, aligned); }
  Axis x(const Roi<A>& roi, int64_t bins) const { return roi_align_axis(roi.x0, roi.width, bins, ratio, aligned); }
  // The most cells that a bin can have.
  int64_t capacity(const Axis& axis, int64_t size) const { return roi_align_bin_capacity(axis, size); }
  // Fills in the cells and weights of bin p, at most `limit`; returns how many.
  int32_t merge(const Axis& axis, int64_t p, int64_t size, int32_t* cells, A* weights, int32_t limit) const {
    return roi_align_merge_bin(axis, p, size, cells, weights, limit);
  }
};

// The RoIs that touch their maps, grouped by map and ordered from top to bottom so that neighbours share cached rows, and
// those that don't (`absent`): outside, or not valid (roi.h), whose output is zero.
template <class A> class RoiPlan {
 public:
  std::vector<PlannedRoi<A>> rois;
  std::vector<int64_t> first;  // RoIs of group g: first[g] to first[g + 1]
  std::vector<int64_t> absent;
  int64_t groups, max_bins = 0, max_columns = 0;

  // grid(k) -> std::pair of rows and columns of bins of RoI k. Ask for `gradient` to have the lists by cell.
  template <class T, class B, class Grid>
  RoiPlan(const Maps<T>& maps, const B* boxes, const int32_t* level, int64_t count, int64_t sampling_ratio,
          bool aligned, bool gradient, Grid grid)
      : RoiPlan(maps, boxes, level, count, RoiAlignSampling<A>{sampling_ratio, aligned}, gradient, grid) {}

  template <class T, class B, class Sampling, class Grid>
  RoiPlan(const Maps<T>& maps, const B* boxes, const int32_t* level, int64_t count, const Sampling& sampling,
          bool gradient, Grid grid)
      : groups(MAX_LIST * maps.batches) {
    struct Draft {
      typename Sampling::Axis y, x;
      int64_t rows, columns, capacity_y, capacity_x;
      int32_t group;
    };
    std::vector<Draft> drafts(count);
    std::vector<int64_t> offsets(count + 1, 0);
    for (int64_t k = 0; k < count; ++k) {
      Draft& d = drafts[k];
      d.group = -1;
      const Roi<A> roi = sampling.read(boxes, level, k, maps.scales, maps.batches);
      const int64_t l = roi.level, height = maps.heights.at[l], width = maps.widths.at[l];
      if (!roi.valid || height * width == 0) continue;
      const auto bins = grid(k);
      d.rows = bins.first;
      d.columns = bins.second;
      d.group = (int32_t)(l * maps.batches + roi.batch);
      d.y = sampling.y(roi, d.rows);
      d.x = sampling.x(roi, d.columns);
      d.capacity_y = sampling.capacity(d.y, height);
      d.capacity_x = sampling.capacity(d.x, width);
      offsets[k + 1] = words(d.rows, d.capacity_y) + words(d.columns, d.capacity_x);
    }
    for (int64_t k = 0; k < count; ++k) offsets[k + 1] += offsets[k];
    arena_.reset(new Buffer<A>(offsets[count]));
    std::vector<PlannedRoi<A>> all(count);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < count; ++k) {
      const Draft& d = drafts[k];
      PlannedRoi<A>& r = all[k];
      r.k = k;
      r.group = d.group;
      if (d.group < 0) continue;
      const int64_t l = level[k], height = maps.heights.at[l], width = maps.widths.at[l];
      A* memory = arena_->data() + offsets[k];
      memory = place(r.y, (int32_t)d.rows, d.capacity_y, memory);
      place(r.x, (int32_t)d.columns, d.capacity_x, memory);
      axis_weights(sampling, d.y, height, d.capacity_y, r.y);
      axis_weights(sampling, d.x, width, d.capacity_x, r.x);
      if (gradient) {
        axis_weights_by_cell(r.y);
        axis_weights_by_cell(r.x);
      }
    }
    first.assign(groups + 1, 0);
    for (const auto& r : all) {
      if (r.group < 0 || r.y.count == 0 || r.x.count == 0) {
        absent.push_back(r.k);
        continue;
      }
      rois.push_back(r);
      ++first[r.group + 1];
      max_bins = max_of<int64_t>(max_bins, (int64_t)r.y.bins * r.x.bins);
      max_columns = max_of<int64_t>(max_columns, max_of(r.x.count, r.x.bins));
    }
    for (int64_t g = 0; g < groups; ++g) first[g + 1] += first[g];
    std::sort(rois.begin(), rois.end(), [](const PlannedRoi<A>& a, const PlannedRoi<A>& b) {
      if (a.group != b.group) return a.group < b.group;
      if (a.y.cells[0] != b.y.cells[0]) return a.y.cells[0] < b.y.cells[0];
      return a.k < b.k;
    });
  }

 private:
  // What `place` hands out, counted in A (an int32_t takes at most one).
  static int64_t words(int64_t bins, int64_t capacity) { return 6 * bins * capacity + bins + 2; }
  static A* place(AxisWeights<A>& w, int32_t bins, int64_t capacity, A* memory) {
    const int64_t n = bins * capacity;
    w.bins = bins;
    w.weight = memory;
    w.cell_weight = memory + n;
    int32_t* ints = reinterpret_cast<int32_t*>(memory + 2 * n);
    w.cells = ints;
    w.entry = ints + n;
    w.bin = ints + 2 * n;
    w.by_cell = ints + 3 * n;
    w.first = ints + 4 * n + 1;
    return memory + words(bins, capacity);
  }
  std::unique_ptr<Buffer<A>> arena_;
};

}  // namespace cpu
}  // namespace jsra
