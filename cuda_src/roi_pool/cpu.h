// RoI pooling on the CPU.
#pragma once
#include <algorithm>
#include <type_traits>
#include <utility>

#include "common/sample_rois.h"
#include "roi_pool/math.h"

namespace jsra {
namespace cpu {

// How RoI pooling reads an RoI, for RoiPlan: whole cells, each of weight 1.
template <class A> struct RoiPoolSampling {
  using Axis = RoiPoolAxis<A>;

  template <class B>
  Roi<A> read(const B* rois, const int32_t* level, int64_t k, const Floats& scales, int64_t batches) const {
    return roi_pool_read<A>(rois, level, k, scales, batches);
  }
  Axis y(const Roi<A>& roi, int64_t bins) const { return roi_pool_axis(roi.y0, roi.y1, bins); }
  Axis x(const Roi<A>& roi, int64_t bins) const { return roi_pool_axis(roi.x0, roi.x1, bins); }
  int64_t capacity(const Axis& axis, int64_t size) const {
    return axis.bin < A(size) ? min_of<int64_t>((int64_t)axis.bin + 3, size) : size;
  }
  int32_t merge(const Axis& axis, int64_t p, int64_t size, int32_t* cells, A* weights, int32_t limit) const {
    int64_t begin, end;
    axis.cells(p, size, &begin, &end);
    const int32_t n = (int32_t)min_of<int64_t>(end - begin, limit);
    for (int32_t i = 0; i < n; ++i) {
      cells[i] = (int32_t)(begin + i);
      weights[i] = A(1);
    }
    return n;
  }
};

// The maxima of an RoI's bins over a channels-last block, and the cells (y * width + x) that they came from, for a vector
// of channels at a time; tile and argmax [bins, LINE].
template <class T, class I>
void roi_pool_tile(const T* block, int64_t stride, const PlannedRoi<T>& roi, int64_t width, T* tile, I* argmax) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T), N = Vector<T>::LANES;
  typedef typename Vector<T>::type Values;
  typedef I Cells __attribute__((vector_size(JSRA_VECTOR_BYTES)));
  for (int32_t p = 0; p < roi.y.bins; ++p)
    for (int32_t q = 0; q < roi.x.bins; ++q, tile += LINE, argmax += LINE)
      for (int64_t g = 0; g < LINE; g += N) {
        Values best = Values{};
        Cells cell = Cells{} - 1;
        bool any = false;
        for (int32_t e = roi.y.first[p]; e < roi.y.first[p + 1]; ++e) {
          const int64_t y = roi.y.cells[roi.y.entry[e]];
          const T* row = block + y * stride * LINE + g;
          for (int32_t f = roi.x.first[q]; f < roi.x.first[q + 1]; ++f) {
            const int64_t x = roi.x.cells[roi.x.entry[f]];
            const Values value = *reinterpret_cast<const Values*>(row + x * LINE);
            const Cells here = Cells{} + (I)(y * width + x);
            const auto better = value > best;
            best = any ? (better ? value : best) : value;
            cell = any ? (better ? here : cell) : here;
            any = true;
          }
        }
        *reinterpret_cast<Values*>(tile + g) = best;
        *reinterpret_cast<Cells*>(argmax + g) = cell;
      }
}

// features: levels of [batches, channels, height, width]; rois [count, 5]; level [count];
// out, argmax [count, channels, bins_y, bins_x].
template <class T>
void roi_pool_forward(Pointers<T> features, const T* rois, const int32_t* level, T* out, int32_t* argmax,
                      int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                      int64_t bins_y, int64_t bins_x) {
  using I = typename std::conditional<sizeof(T) == 8, int64_t, int32_t>::type;
  const Maps<T> maps{features, batches, channels, heights, widths, scales};
  const RoiPlan<T> plan(maps, rois, level, count, RoiPoolSampling<T>{}, false,
                        [=](int64_t) { return std::make_pair(bins_y, bins_x); });
  const int64_t bins = bins_y * bins_x;
  over_blocks(maps, plan, [=](const T* block, int64_t stride, const PlannedRoi<T>& roi, int64_t c0, int64_t valid,
                              T*, T* tile) {
    Buffer<I> cells(bins * line<T>());
    roi_pool_tile(block, stride, roi, widths.at[level[roi.k]], tile, cells.data());
    tile_to_planes(tile, bins, valid, out + (roi.k * channels + c0) * bins);
    int32_t* target = argmax + (roi.k * channels + c0) * bins;
    for (int64_t c = 0; c < valid; ++c)
      for (int64_t i = 0; i < bins; ++i) target[c * bins + i] = (int32_t)cells.data()[i * line<T>() + c];
  });
  for (int64_t k : plan.absent) {
    std::fill_n(out + k * channels * bins, channels * bins, T(0));
    std::fill_n(argmax + k * channels * bins, channels * bins, -1);
  }
}

// The gradient to the features. Threads share out the channels, so that no two write to one cell and every run adds in
// the same order. grads: levels of [batches, channels, height, width]; sums, largest: scratch of the CUDA kernel, unused.
template <class T, class I, class N>
void roi_pool_backward(const T* dout, const T* rois, const int32_t* level, const int32_t* argmax, Pointers<T> grads,
                       Pointers<I>, N*, int64_t batches, int64_t channels, Ints heights, Ints widths, int64_t count,
                       int64_t bins_y, int64_t bins_x) {
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; ++c) {
    for (int l = 0; l < MAX_LIST; ++l)
      for (int64_t b = 0, n = heights.at[l] * widths.at[l]; n > 0 && b < batches; ++b)
        std::fill_n(grads.at[l] + (b * channels + c) * n, n, T(0));
    for (int64_t k = 0; k < count; ++k) {
      const int64_t l = level[k], bins = bins_y * bins_x, first = (k * channels + c) * bins;
      // The batch index and the level of what is no RoI may be anything, but then argmax names no cell.
      for (int64_t i = first; i < first + bins; ++i)
        if (argmax[i] >= 0)
          grads.at[l][((int64_t)rois[5 * k] * channels + c) * heights.at[l] * widths.at[l] + argmax[i]] += dout[i];
    }
  }
}

}  // namespace cpu
}  // namespace jsra
