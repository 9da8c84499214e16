// The CUDA kernels of windows (window.h): channels are what neighbouring threads share out.
//
// Maps and the output's gradient are turned channels-last first (each byte read and written once): then the threads of a
// warp work on one bin or a few, and what they read or add to is contiguous. Where each bin of an output channel c reads a
// map channel of its own, c * bins + bin (per_bin: position-sensitive operators), an image is a map of the output's channels
// for each bin, one after the other, once the same transposition has turned it.
#pragma once
#include "common/fixed_point.cuh"
#include "common/pack.cuh"
#include "common/transpose.cuh"
#include "common/window.h"

namespace jsra {
namespace cuda {

constexpr int64_t WINDOW_TILE_BYTES = 16384;  // results of a block, before they leave

// The sizes of the output [count, channels, bins_y, bins_x], and of channels-last levels [batches * planes, height * width,
// channels].
struct WindowSizes {
  int64_t batches, planes, channels, groups, count, bins_y, bins_x;
  Ints heights, widths;

  WindowSizes(const MapSizes& maps, int64_t groups_, int64_t count_, int64_t bins_y_, int64_t bins_x_, bool per_bin)
      : batches(maps.batches),
        planes(per_bin ? max_of<int64_t>(bins_y_ * bins_x_, 1) : 1),
        channels(maps.channels / planes),
        groups(groups_),
        count(count_),
        bins_y(bins_y_),
        bins_x(bins_x_),
        heights(maps.heights),
        widths(maps.widths) {}

  JSRA_HD int64_t bins() const { return bins_y * bins_x; }
  JSRA_HD int64_t per_group() const { return channels / groups; }
  JSRA_HD int64_t items() const { return count * groups * bins(); }
  JSRA_HD int64_t cells(int64_t level) const { return planes * heights.at[level] * widths.at[level]; }
  JSRA_HD int64_t row(int64_t level) const { return widths.at[level] * channels; }

  // Where, in its level, the map starts that a bin reads through a window.
  template <class W> JSRA_HD int64_t start(const W& w, int64_t bin) const {
    const int64_t plane = w.image * planes + (planes > 1 ? bin : 0);
    return plane * heights.at[w.level] * row(w.level);
  }
};

// A bin of a channel group: channels [begin, end) of the row at `place` of an array [count, bins, channels].
struct WindowItem {
  int64_t k;
  int bin, group, p, q, begin, end;  // int: registers are what limits these kernels
  int64_t place;
  JSRA_HD WindowItem(const WindowSizes& s, int64_t index)
      : k(index / s.bins() / s.groups),
        bin((int)(index % s.bins())),
        group((int)(index / s.bins() % s.groups)),
        p(bin / (int)s.bins_x),
        q(bin % (int)s.bins_x),
        begin(group * (int)s.per_group()),
        end(begin + (int)s.per_group()),
        place((k * s.bins() + bin) * s.channels) {}
};

// Block (k, slice of channels); a thread sums N channels of a bin. staged: the results leave through shared memory, as one
// contiguous piece of out.
template <class T, int N, class Plan>
__global__ void window_forward_kernel(Pointers<T> maps_last, WindowSizes s, Plan plan, int64_t slice, bool staged,
                                      T* out) {
  using A = acc_t<T>;
  JSRA_DYNAMIC_SHARED(T, tile);  // [slice, pitch]; an odd pitch spreads the channels of a bin over the banks
  const int64_t slices = (s.channels + slice - 1) / slice, k = blockIdx.x / slices, c0 = blockIdx.x % slices * slice;
  const int bins_x = (int)s.bins_x, bins = (int)s.bins(), valid = (int)min_of(slice, s.channels - c0);
  const int packs = valid / N, pitch = staged ? bins | 1 : bins;
  T* target = out + (k * s.channels + c0) * bins;
  T* results = staged ? tile : target;
  for (int item = threadIdx.x; item < bins * packs; item += blockDim.x) {
    const int bin = item / packs, c = item % packs * N, p = bin / bins_x, q = bin % bins_x;
    const int64_t group = (c0 + c) / s.per_group(), parts = plan.parts(k, p, q);
    PackSum<T, N> sum;
    for (int64_t i = 0; i < parts; ++i) {
      const auto w = plan.at(k, group, p, q, i);
      if (!w.valid) continue;
      const T* map = maps_last.at[w.level] + s.start(w, bin) + c0 + c;
      w.y.each([&](int64_t y, Share<A> a) {
        const T* row = map + y * s.row(w.level);
        w.x.each([&](int64_t x, Share<A> b) { sum.add(w.factor * a.w * b.w, row + x * s.channels); });
      });
    }
    for (int i = 0; i < N; ++i) results[(c + i) * pitch + bin] = T(sum.v[i]);
  }
  if (!staged) return;
  __syncthreads();
  for (int i = threadIdx.x; i < valid * bins; i += blockDim.x) target[i] = tile[i / bins * pitch + i % bins];
}

// Below, a team of neighbouring threads takes an item and shares out its channels. dout_last [count, bins, channels].

template <class T, class Plan>
__global__ void window_largest_kernel(const T* dout_last, WindowSizes s, Plan plan, int lanes,
                                      unsigned int* largest) {
  uint32_t mine = 0;
  JSRA_FOR_EACH_TEAM(index, lanes, s.items()) {
    const WindowItem item(s, index);
    const auto w = plan.at(item.k, item.group, item.p, item.q, 0);
    if (!w.valid) continue;
    const float most = float(w.factor) * float(plan.parts(item.k, item.p, item.q));
    const T* dout = dout_last + item.place;
    for (int c = item.begin + threadIdx.x % lanes; c < item.end; c += lanes)
      mine = max_of(mine, magnitude_bits(float(dout[c]) * most));
  }
  fixed_largest(mine, largest);
}

// sums: channels-last levels.
template <class T, class I, class Plan>
__global__ void window_backward_kernel(const T* dout_last, Pointers<I> sums, WindowSizes s, Plan plan, int lanes,
                                       const unsigned int* largest, int64_t terms) {
  const uint32_t bits = *largest;
  if (bits >= 0x7f800000u) return;  // not finite: the finishing kernel says so
  const float unit = power_of_two(fixed_exponent(bits, terms));
  JSRA_FOR_EACH_TEAM(index, lanes, s.items()) {
    const WindowItem item(s, index);
    const T* dout = dout_last + item.place;
    const int64_t parts = plan.parts(item.k, item.p, item.q);
    for (int64_t i = 0; i < parts; ++i) {
      const auto w = plan.at(item.k, item.group, item.p, item.q, i);
      if (!w.valid) continue;
      I* map = sums.at[w.level] + s.start(w, item.bin);
      w.y.each([&](int64_t y, Share<float> a) {
        w.x.each([&](int64_t x, Share<float> b) {
          const float weight = float(w.factor) * a.w * b.w;
          I* cell = map + y * s.row(w.level) + x * s.channels;
          for (int c = item.begin + threadIdx.x % lanes; c < item.end; c += lanes)
            fixed_add(cell + c, float(dout[c]) * weight, unit);
        });
      });
    }
  }
}

// sums [.., cells, channels] to grad [.., channels, cells].
template <class T, class I>
__global__ void window_finish_kernel(const I* sums, T* grad, int64_t cells, int64_t channels,
                                     const unsigned int* largest, int64_t terms) {
  const float one = fixed_one(*largest, terms);
  transpose_tile(sums, grad, cells, channels, [=](I sum) { return T((float)(long long)sum * one); });
}

// The teams are warps. slopes [count, groups, bins, SLOPES].
template <class T, int N, class Plan>
__global__ void window_slopes_kernel(const T* dout_last, Pointers<T> maps_last, WindowSizes s, Plan plan,
                                     float* slopes) {
  const int64_t lane = threadIdx.x % warpSize;
  JSRA_FOR_EACH_TEAM(index, warpSize, s.items()) {
    const WindowItem item(s, index);
    const auto w = plan.at(item.k, item.group, item.p, item.q, 0);
    float sum[SLOPES] = {0, 0, 0, 0, 0};
    if (w.valid) {
      const T* dout = dout_last + item.place;
      const T* map = maps_last.at[w.level] + s.start(w, item.bin);
      for (int64_t c = item.begin + lane * N; c < item.end; c += warpSize * N) {
        const auto d = read_pack<T, N>(dout + c);
        w.y.each([&](int64_t y, Share<float> a) {
          w.x.each([&](int64_t x, Share<float> b) {
            const auto value = read_pack<T, N>(map + y * s.row(w.level) + x * s.channels + c);
            float v = 0;
            for (int i = 0; i < N; ++i) v += float(d.v[i]) * float(value.v[i]);
            const float u = v * float(w.factor);
            sum[VALUE] += v * a.w * b.w;
            sum[Y0] += u * a.d0 * b.w;
            sum[Y1] += u * a.d1 * b.w;
            sum[X0] += u * a.w * b.d0;
            sum[X1] += u * a.w * b.d1;
          });
        });
      }
    }
    for (int i = 0; i < SLOPES; ++i) {
      for (int offset = warpSize / 2; offset > 0; offset /= 2) sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], offset);
      if (lane == 0) slopes[index * SLOPES + i] = sum[i];
    }
  }
}

template <class T>
void window_maps_last(Pointers<T> maps, Pointers<T> maps_last, const WindowSizes& s, cudaStream_t stream) {
  for (int l = 0; l < MAX_LIST; ++l)
    transpose((const T*)maps.at[l], maps_last.at[l], s.batches, s.channels, s.cells(l), stream);
}

// Whether every channel group is a whole number of packs.
template <class T> bool window_packs(const WindowSizes& s) { return s.per_group() % PACK<T> == 0; }

// maps_last: scratch of the size of the maps.
template <class T, class Plan>
void window_forward(Pointers<T> maps, Pointers<T> maps_last, const MapSizes& sizes, const Plan& plan, int64_t count,
                    int64_t bins_y, int64_t bins_x, bool per_bin, T* out, cudaStream_t stream) {
  const WindowSizes s(sizes, plan.groups, count, bins_y, bins_x, per_bin);
  if (s.items() * s.channels == 0) return;
  window_maps_last(maps, maps_last, s, stream);
  constexpr int N = PACK<T>;
  const int64_t pitch_bytes = (s.bins() | 1) * sizeof(T), fitting = WINDOW_TILE_BYTES / pitch_bytes / N * N;
  const int64_t slice = even_slice<N>(s.channels, fitting ? fitting : 8 * N);
  const int64_t blocks = count * ((s.channels - 1) / slice + 1);
  auto* kernel = window_packs<T>(s) ? window_forward_kernel<T, N, Plan> : window_forward_kernel<T, 1, Plan>;
  JSRA_LAUNCH(kernel, (unsigned int)blocks, 128, fitting ? slice * pitch_bytes : 0, stream, maps_last, s, plan, slice,
              fitting != 0, out);
}

// Scratch: sums of the size of the gradients, dout_last of that of dout, largest of one number.
template <class T, class I, class N, class Plan>
void window_backward(const T* dout, T* dout_last, Pointers<T> grads, Pointers<I> sums, N* largest_scratch,
                     const MapSizes& sizes, const Plan& plan, int64_t count, int64_t bins_y, int64_t bins_x,
                     bool per_bin, cudaStream_t stream) {
  static_assert(sizeof(I) == sizeof(fixed_t) && sizeof(N) == sizeof(unsigned int), "scratch of the wrong type");
  const WindowSizes s(sizes, plan.groups, count, bins_y, bins_x, per_bin);
  auto* largest = reinterpret_cast<unsigned int*>(largest_scratch);
  Ints counts;
  int64_t most = 0;
  for (int l = 0; l < MAX_LIST; ++l) {
    counts.at[l] = s.batches * s.cells(l) * s.channels;
    most = max_of(most, counts.at[l]);
  }
  if (most == 0) return;
  const int64_t items = s.items(), terms = count * s.bins() + 1;
  auto* clear = fixed_clear_kernel<I>;
  JSRA_LAUNCH_FILL(clear, most, 256, 0, stream, sums, counts, largest);
  if (items) {
    transpose(dout, dout_last, count, s.channels, s.bins(), stream);
    int lanes = 1;
    while (lanes < 32 && lanes < s.per_group()) lanes *= 2;
    auto* measure = window_largest_kernel<T, Plan>;
    JSRA_LAUNCH_FILL(measure, items * lanes, 256, 0, stream, dout_last, s, plan, lanes, largest);
    auto* scatter = window_backward_kernel<T, I, Plan>;
    JSRA_LAUNCH_FILL(scatter, items * lanes, 128, 0, stream, dout_last, sums, s, plan, lanes, largest, terms);
  }
  auto* finish = window_finish_kernel<T, I>;
  for (int l = 0; l < MAX_LIST; ++l) {
    if (counts.at[l] == 0) continue;
    const int64_t cells = s.cells(l);
    JSRA_LAUNCH(finish, transpose_blocks(s.batches, cells, s.channels), 256, 0, stream, sums.at[l], grads.at[l], cells,
                s.channels, largest, terms);
  }
}

// After window_backward: reads its dout_last, and turns the maps channels-last into its sums, which are done with.
template <class T, class I, class Plan>
void window_slopes(const T* dout_last, Pointers<T> maps, Pointers<I> sums, const MapSizes& sizes, const Plan& plan,
                   int64_t count, int64_t bins_y, int64_t bins_x, float* slopes, cudaStream_t stream) {
  static_assert(sizeof(I) >= sizeof(T), "no room for the maps");
  const WindowSizes s(sizes, plan.groups, count, bins_y, bins_x, false);
  if (s.items() * s.channels == 0) return;
  Pointers<T> maps_last;
  for (int l = 0; l < MAX_LIST; ++l) maps_last.at[l] = reinterpret_cast<T*>(sums.at[l]);
  window_maps_last(maps, maps_last, s, stream);
  auto* kernel = window_packs<T>(s) ? window_slopes_kernel<T, PACK<T>, Plan> : window_slopes_kernel<T, 1, Plan>;
  JSRA_LAUNCH_FILL(kernel, s.items() * 32, 128, 0, stream, dout_last, maps_last, s, plan, slopes);
}

}  // namespace cuda
}  // namespace jsra
