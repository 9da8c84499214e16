// The CUDA kernels of windows (window.h). per_bin: each bin of an output channel reads a map channel of its own
// (position-sensitive operators); else all bins read the output's channel.
#pragma once
#include "common/fixed_point.cuh"
#include "common/window.h"

namespace jsra {
namespace cuda {

// An output element, and what it reads.
struct OutputIndex {
  int64_t k, group, p, q, plane;
  JSRA_HD OutputIndex(int64_t index, int64_t channels, int64_t groups, int64_t bins_y, int64_t bins_x, bool per_bin) {
    q = index % bins_x;
    p = index / bins_x % bins_y;
    const int64_t c = index / bins_x / bins_y % channels;
    k = index / bins_x / bins_y / channels;
    group = c / (channels / groups);
    plane = per_bin ? (c * bins_y + p) * bins_x + q : c;
  }
};

template <class T, class Plan>
__global__ void window_forward_kernel(Pointers<T> maps, MapSizes sizes, Plan plan, int64_t count, int64_t channels,
                                      int64_t bins_y, int64_t bins_x, bool per_bin, T* out) {
  using A = acc_t<T>;
  JSRA_FOR_EACH(index, count * channels * bins_y * bins_x) {
    const OutputIndex o(index, channels, plan.groups, bins_y, bins_x, per_bin);
    A sum = A(0);
    const int64_t parts = plan.parts(o.k, o.p, o.q);
    for (int64_t s = 0; s < parts; ++s) {
      const auto w = plan.at(o.k, o.group, o.p, o.q, s);
      if (!w.valid) continue;
      const int64_t width = sizes.widths.at[w.level];
      const T* map = maps.at[w.level] + (w.image * sizes.channels + o.plane) * sizes.heights.at[w.level] * width;
      A part = A(0);
      w.y.each([&](int64_t y, Share<A> a) {
        w.x.each([&](int64_t x, Share<A> b) { part += a.w * b.w * A(map[y * width + x]); });
      });
      sum += w.factor * part;
    }
    out[index] = T(sum);
  }
}

template <class T, class Plan>
__global__ void window_largest_kernel(const T* dout, Plan plan, int64_t count, int64_t channels, int64_t bins_y,
                                      int64_t bins_x, unsigned int* largest) {
  uint32_t mine = 0;
  JSRA_FOR_EACH(index, count * channels * bins_y * bins_x) {
    const OutputIndex o(index, channels, plan.groups, bins_y, bins_x, false);
    const auto w = plan.at(o.k, o.group, o.p, o.q, 0);
    const float most = float(w.factor) * float(plan.parts(o.k, o.p, o.q));
    if (w.valid) mine = max_of(mine, magnitude_bits(float(dout[index]) * most));
  }
  if (mine) atomicMax(largest, mine);
}

template <class T, class I, class Plan>
__global__ void window_backward_kernel(const T* dout, Pointers<I> sums, MapSizes sizes, Plan plan, int64_t count,
                                       int64_t channels, int64_t bins_y, int64_t bins_x, bool per_bin,
                                       const unsigned int* largest, int64_t terms) {
  const uint32_t bits = *largest;
  if (bits >= 0x7f800000u) return;  // not finite: the finishing kernel says so
  const float unit = power_of_two(fixed_exponent(bits, terms));
  JSRA_FOR_EACH(index, count * channels * bins_y * bins_x) {
    const OutputIndex o(index, channels, plan.groups, bins_y, bins_x, per_bin);
    const int64_t parts = plan.parts(o.k, o.p, o.q);
    for (int64_t s = 0; s < parts; ++s) {
      const auto w = plan.at(o.k, o.group, o.p, o.q, s);
      if (!w.valid) continue;
      const int64_t width = sizes.widths.at[w.level];
      I* map = sums.at[w.level] + (w.image * sizes.channels + o.plane) * sizes.heights.at[w.level] * width;
      const float d = float(w.factor) * float(dout[index]);
      w.y.each([&](int64_t y, Share<float> a) {
        w.x.each([&](int64_t x, Share<float> b) { fixed_add(map + y * width + x, d * a.w * b.w, unit); });
      });
    }
  }
}

// One warp for each bin: lanes share out the channels. slopes [count, groups, bins, SLOPES].
template <class T, class Plan>
__global__ void window_slopes_kernel(const T* dout, Pointers<T> maps, MapSizes sizes, Plan plan, int64_t count,
                                     int64_t bins_y, int64_t bins_x, float* slopes) {
  const int64_t bins = bins_y * bins_x, per_group = sizes.channels / plan.groups, lane = threadIdx.x % warpSize;
  const int64_t warps = (int64_t)gridDim.x * blockDim.x / warpSize;
  for (int64_t item = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) / warpSize; item < count * plan.groups * bins;
       item += warps) {
    const int64_t bin = item % bins, g = item / bins % plan.groups, k = item / bins / plan.groups;
    const auto w = plan.at(k, g, bin / bins_x, bin % bins_x, 0);
    float sum[SLOPES] = {0, 0, 0, 0, 0};
    if (w.valid) {
      const int64_t width = sizes.widths.at[w.level], area = sizes.heights.at[w.level] * width;
      for (int64_t c = g * per_group + lane; c < (g + 1) * per_group; c += warpSize) {
        const float d = float(dout[(k * sizes.channels + c) * bins + bin]);
        const T* map = maps.at[w.level] + (w.image * sizes.channels + c) * area;
        w.y.each([&](int64_t y, Share<float> a) {
          w.x.each([&](int64_t x, Share<float> b) {
            const float v = d * float(map[y * width + x]), u = v * float(w.factor);
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
      if (lane == 0) slopes[item * SLOPES + i] = sum[i];
    }
  }
}

template <class T, class Plan>
void window_forward(Pointers<T> maps, const MapSizes& sizes, const Plan& plan, int64_t count, int64_t channels,
                    int64_t bins_y, int64_t bins_x, bool per_bin, T* out, cudaStream_t stream) {
  const int64_t total = count * channels * bins_y * bins_x;
  if (total == 0) return;
  auto* kernel = window_forward_kernel<T, Plan>;
  JSRA_LAUNCH(kernel, blocks_for(total, 256), 256, 0, stream, maps, sizes, plan, count, channels, bins_y, bins_x,
              per_bin, out);
}

// sums: scratch of the size of the gradients; largest: scratch of one number.
template <class T, class I, class N, class Plan>
void window_backward(const T* dout, Pointers<T> grads, Pointers<I> sums, N* largest_scratch, const MapSizes& sizes,
                     const Plan& plan, int64_t count, int64_t channels, int64_t bins_y, int64_t bins_x, bool per_bin,
                     cudaStream_t stream) {
  static_assert(sizeof(I) == sizeof(fixed_t) && sizeof(N) == sizeof(unsigned int), "scratch of the wrong type");
  auto* largest = reinterpret_cast<unsigned int*>(largest_scratch);
  Ints counts;
  int64_t most = 0;
  for (int l = 0; l < MAX_LIST; ++l) {
    counts.at[l] = sizes.batches * sizes.channels * sizes.heights.at[l] * sizes.widths.at[l];
    most = max_of(most, counts.at[l]);
  }
  if (most == 0) return;
  const int64_t total = count * channels * bins_y * bins_x, terms = count * bins_y * bins_x + 1;
  auto* clear = fixed_clear_kernel<I>;
  JSRA_LAUNCH(clear, blocks_for(most, 256), 256, 0, stream, sums, counts, largest);
  if (total) {
    auto* measure = window_largest_kernel<T, Plan>;
    JSRA_LAUNCH(measure, blocks_for(total, 256, 4096), 256, 0, stream, dout, plan, count, channels, bins_y, bins_x,
                largest);
    auto* scatter = window_backward_kernel<T, I, Plan>;
    JSRA_LAUNCH(scatter, blocks_for(total, 256), 256, 0, stream, dout, sums, sizes, plan, count, channels, bins_y,
                bins_x, per_bin, largest, terms);
  }
  auto* finish = fixed_finish_kernel<T, I>;
  JSRA_LAUNCH(finish, blocks_for(most, 256), 256, 0, stream, sums, grads, counts, largest, terms);
}

template <class T, class Plan>
void window_slopes(const T* dout, Pointers<T> maps, const MapSizes& sizes, const Plan& plan, int64_t count,
                   int64_t bins_y, int64_t bins_x, float* slopes, cudaStream_t stream) {
  const int64_t items = count * plan.groups * bins_y * bins_x;
  if (items * sizes.channels == 0) return;
  auto* kernel = window_slopes_kernel<T, Plan>;
  JSRA_LAUNCH(kernel, blocks_for(items * 32, 128), 128, 0, stream, dout, maps, sizes, plan, count, bins_y, bins_x,
              slopes);
}

}  // namespace cuda
}  // namespace jsra
