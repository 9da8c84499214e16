// The CPU kernels of windows (window.h). Maps are turned channels-last, so that the sums run over contiguous channels.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "common/window.h"

namespace jsra {
namespace cpu {

// [rows, columns] to [columns, rows], in blocks that fit the cache.
template <class T>
void transpose(const T* source, T* target, int64_t rows, int64_t columns) {
  constexpr int64_t BLOCK = 32;
#pragma omp parallel for schedule(static)
  for (int64_t j0 = 0; j0 < columns; j0 += BLOCK)
    for (int64_t i0 = 0; i0 < rows; i0 += BLOCK) {
      const int64_t i1 = std::min(i0 + BLOCK, rows), j1 = std::min(j0 + BLOCK, columns);
      for (int64_t j = j0; j < j1; ++j)
        for (int64_t i = i0; i < i1; ++i) target[j * rows + i] = source[i * columns + j];
    }
}

// A channels-last copy of the levels: [batches, height * width, channels].
template <class T>
class ChannelsLast {
 public:
  ChannelsLast(const MapSizes& sizes, bool zero) : sizes_(sizes) {
    for (int l = 0; l < MAX_LIST; ++l) {
      const int64_t n = sizes.batches * sizes.channels * cells(l);
      if (n) data_[l].reset(zero ? new T[n]() : new T[n]);
    }
  }
  int64_t cells(int level) const { return sizes_.heights.at[level] * sizes_.widths.at[level]; }
  T* image(int64_t level, int64_t b) const { return data_[level].get() + b * cells(level) * sizes_.channels; }
  void read(const Pointers<T>& maps) { move(maps, true); }
  void write(const Pointers<T>& maps) { move(maps, false); }

 private:
  void move(const Pointers<T>& maps, bool reading) {
    for (int l = 0; l < MAX_LIST; ++l)
      for (int64_t b = 0; data_[l] && b < sizes_.batches; ++b) {
        T* plane = maps.at[l] + b * cells(l) * sizes_.channels;
        if (reading)
          transpose<T>(plane, image(l, b), sizes_.channels, cells(l));
        else
          transpose<T>(image(l, b), plane, cells(l), sizes_.channels);
      }
  }
  MapSizes sizes_;
  std::unique_ptr<T[]> data_[MAX_LIST];
};

// The cells along one axis, each once: samples that share a cell are added up.
template <class A>
struct AxisCells {
  std::vector<int64_t> cell;
  std::vector<Share<A>> share;

  template <class Axis>
  void fill(const Axis& axis) {
    cell.clear();
    share.clear();
    axis.each([this](int64_t c, Share<A> s) {
      // Cells do not descend by more than the width of a tap, so an equal one is among the last two.
      for (size_t back = 1; back <= std::min<size_t>(2, cell.size()); ++back)
        if (cell[cell.size() - back] == c) {
          Share<A>& t = share[cell.size() - back];
          t.w += s.w, t.d0 += s.d0, t.d1 += s.d1;
          return;
        }
      cell.push_back(c);
      share.push_back(s);
    });
  }
  size_t size() const { return cell.size(); }
};

constexpr int64_t CHANNEL_BLOCK = 64;

// sum[c] += factor * wy * wx * map[cell][c] for `n` channels; rows of the map are `stride` apart.
template <class T, class A>
void weighted_sum(const T* map, int64_t width, int64_t stride, int64_t n, A factor, const AxisCells<A>& ys,
                  const AxisCells<A>& xs, A* sum) {
  int64_t c = 0;
  for (; c + CHANNEL_BLOCK <= n; c += CHANNEL_BLOCK) {
    A block[CHANNEL_BLOCK];
    for (int64_t i = 0; i < CHANNEL_BLOCK; ++i) block[i] = sum[c + i];
    for (size_t y = 0; y < ys.size(); ++y)
      for (size_t x = 0; x < xs.size(); ++x) {
        const A w = factor * ys.share[y].w * xs.share[x].w;
        const T* f = map + (ys.cell[y] * width + xs.cell[x]) * stride + c;
        for (int64_t i = 0; i < CHANNEL_BLOCK; ++i) block[i] += w * f[i];
      }
    for (int64_t i = 0; i < CHANNEL_BLOCK; ++i) sum[c + i] = block[i];
  }
  if (c == n) return;
  for (size_t y = 0; y < ys.size(); ++y)
    for (size_t x = 0; x < xs.size(); ++x) {
      const A w = factor * ys.share[y].w * xs.share[x].w;
      const T* f = map + (ys.cell[y] * width + xs.cell[x]) * stride;
      for (int64_t i = c; i < n; ++i) sum[i] += w * f[i];
    }
}

// out [count, channels, bins_y, bins_x].
template <class T, class Plan>
void window_forward(Pointers<T> maps, const MapSizes& sizes, const Plan& plan, int64_t count, int64_t bins_y,
                    int64_t bins_x, T* out) {
  using A = acc_t<T>;
  const int64_t channels = sizes.channels, bins = bins_y * bins_x;
  if (count * channels * bins == 0) return;
  const int64_t per_group = channels / plan.groups;
  ChannelsLast<T> last(sizes, false);
  last.read(maps);
#pragma omp parallel
  {
    AxisCells<A> ys, xs;
    std::vector<A> sums(bins * channels);
#pragma omp for schedule(dynamic, 4)
    for (int64_t k = 0; k < count; ++k) {
      std::fill(sums.begin(), sums.end(), A(0));
      for (int64_t bin = 0; bin < bins; ++bin)
        for (int64_t g = 0; g < plan.groups; ++g)
          for (int64_t s = 0; s < plan.parts(k, bin / bins_x, bin % bins_x); ++s) {
            const auto w = plan.at(k, g, bin / bins_x, bin % bins_x, s);
            if (!w.valid) continue;
            ys.fill(w.y);
            xs.fill(w.x);
            weighted_sum(last.image(w.level, w.image) + g * per_group, sizes.widths.at[w.level], channels, per_group,
                         w.factor, ys, xs, sums.data() + bin * channels + g * per_group);
          }
      T* target = out + k * channels * bins;
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t bin = 0; bin < bins; ++bin) target[c * bins + bin] = T(sums[bin * channels + c]);
    }
  }
}

// The gradient to the maps. Threads share out the channels, so that no two write to one cell and every run adds in the
// same order.
template <class T, class Plan>
void window_backward(const T* dout, Pointers<T> grads, const MapSizes& sizes, const Plan& plan, int64_t count,
                     int64_t bins_y, int64_t bins_x) {
  using A = acc_t<T>;
  const int64_t channels = sizes.channels, bins = bins_y * bins_x,
                per_group = max_of<int64_t>(1, channels / max_of<int64_t>(1, plan.groups));
  ChannelsLast<T> last(sizes, true);
  constexpr int64_t GRAIN = 16;
  const int64_t grains = (channels + GRAIN - 1) / GRAIN;
#pragma omp parallel
  {
#ifdef _OPENMP
    const int64_t me = omp_get_thread_num(), threads = omp_get_num_threads();
#else
    const int64_t me = 0, threads = 1;
#endif
    const int64_t first = grains * me / threads * GRAIN, end = min_of(grains * (me + 1) / threads * GRAIN, channels);
    AxisCells<A> ys, xs;
    std::vector<T> rows(bins * max_of<int64_t>(end - first, 0));
    for (int64_t k = 0; k < count && first < end; ++k) {
      for (int64_t c = first; c < end; ++c)
        for (int64_t bin = 0; bin < bins; ++bin)
          rows[bin * (end - first) + c - first] = dout[(k * channels + c) * bins + bin];
      for (int64_t bin = 0; bin < bins; ++bin)
        for (int64_t g = first / per_group; g * per_group < end; ++g) {
          const int64_t c0 = max_of(first, g * per_group), n = min_of(end, (g + 1) * per_group) - c0;
          const T* row = rows.data() + bin * (end - first) + c0 - first;
          for (int64_t s = 0; s < plan.parts(k, bin / bins_x, bin % bins_x); ++s) {
            const auto w = plan.at(k, g, bin / bins_x, bin % bins_x, s);
            if (!w.valid) continue;
            ys.fill(w.y);
            xs.fill(w.x);
            T* map = last.image(w.level, w.image) + c0;
            for (size_t y = 0; y < ys.size(); ++y)
              for (size_t x = 0; x < xs.size(); ++x) {
                const A weight = w.factor * ys.share[y].w * xs.share[x].w;
                T* cell = map + (ys.cell[y] * sizes.widths.at[w.level] + xs.cell[x]) * channels;
                for (int64_t i = 0; i < n; ++i) cell[i] += weight * row[i];
              }
          }
        }
    }
  }
  last.write(grads);
}

// slopes [count, groups, bins, SLOPES]: what the gradient by the windows' own parameters is made of.
template <class T, class Plan>
void window_slopes(const T* dout, Pointers<T> maps, const MapSizes& sizes, const Plan& plan, int64_t count,
                   int64_t bins_y, int64_t bins_x, acc_t<T>* slopes) {
  using A = acc_t<T>;
  const int64_t channels = sizes.channels, bins = bins_y * bins_x;
  if (count * channels * bins == 0) return;
  const int64_t per_group = channels / plan.groups;
  ChannelsLast<T> last(sizes, false);
  last.read(maps);
#pragma omp parallel
  {
    AxisCells<A> ys, xs;
    std::vector<T> rows(bins * channels);
#pragma omp for schedule(dynamic, 4)
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t bin = 0; bin < bins; ++bin) rows[bin * channels + c] = dout[(k * channels + c) * bins + bin];
      for (int64_t g = 0; g < plan.groups; ++g)
        for (int64_t bin = 0; bin < bins; ++bin) {
          A* slope = slopes + ((k * plan.groups + g) * bins + bin) * SLOPES;
          std::fill(slope, slope + SLOPES, A(0));
          const auto w = plan.at(k, g, bin / bins_x, bin % bins_x, 0);
          if (!w.valid) continue;
          ys.fill(w.y);
          xs.fill(w.x);
          const T* map = last.image(w.level, w.image) + g * per_group;
          const T* row = rows.data() + bin * channels + g * per_group;
          for (size_t y = 0; y < ys.size(); ++y)
            for (size_t x = 0; x < xs.size(); ++x) {
              const T* cell = map + (ys.cell[y] * sizes.widths.at[w.level] + xs.cell[x]) * channels;
              A dot = A(0);
              for (int64_t c = 0; c < per_group; ++c) dot += A(cell[c]) * A(row[c]);
              const Share<A> a = ys.share[y], b = xs.share[x];
              slope[VALUE] += dot * a.w * b.w;
              slope[Y0] += w.factor * dot * a.d0 * b.w;
              slope[Y1] += w.factor * dot * a.d1 * b.w;
              slope[X0] += w.factor * dot * a.w * b.d0;
              slope[X1] += w.factor * dot * a.w * b.d1;
            }
        }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
