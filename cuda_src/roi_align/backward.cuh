// RoI Align on the GPU, the gradient to the features: without atomics, so that every run gives the same bits. Also the
// dynamic feature sampler's, whose RoIs have bins of their own (bins.h).
//
// The output's gradient is turned channels-last. Then each block owns a tile of 8 x 8 cells and a slice of channels: it
// looks through all RoIs in order, lists those that touch the tile, and adds up what each gives to the 64 cells, which a
// thread keeps in registers for its channel. Every cell of the gradient is written once.
#pragma once
#include "common/list.h"
#include "common/transpose.cuh"
#include "roi_align/bins.h"
#include "roi_align/math.h"

namespace jsra {
namespace cuda {

constexpr int ROI_ALIGN_TILE = 8;  // cells along each side of a block's tile
constexpr int ROI_ALIGN_THREADS = 128;

// Whether cells [low, high] can have a weight in any bin (conservative).
template <class A> JSRA_HD bool roi_align_touches(A start, A size, bool aligned, int64_t low, int64_t high) {
  const A length = aligned ? size : max_of(size, A(1));
  return start < A(high + 2) && start + length > A(low - 2);
}

// The bins [begin, end) that can have a weight in cells [low, high] (conservative).
template <class A>
JSRA_HD void roi_align_touching_bins(const RoiAlignAxis<A>& axis, int64_t bins, int64_t low, int64_t high,
                                     int64_t* begin, int64_t* end) {
  *begin = 0;
  *end = bins;
  if (!(axis.bin > A(1e-6))) return;
  const A first = (A(low - 2) - axis.start) / axis.bin - A(1), last = (A(high + 2) - axis.start) / axis.bin + A(1);
  if (first > A(0)) *begin = first < A(bins) ? (int64_t)first : bins;
  if (last < A(bins)) *end = last > A(*begin) ? (int64_t)last + 1 : *begin;
}

JSRA_HD int bit_count(unsigned v) {
#if defined(__CUDA_ARCH__)
  return __popc(v);
#else
  return __builtin_popcount(v);
#endif
}

// Block (level, image, tile, slice). dout_last [.., channels].
template <class T, class B, class Bins>
__global__ void roi_align_backward_kernel(const T* dout_last, const B* rois, const int32_t* level, Pointers<T> grads,
                                          int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales,
                                          int64_t count, Bins grid, int64_t sampling_ratio, bool aligned,
                                          Ints first_block) {
  using A = acc_t<T>;
  constexpr int SIDE = ROI_ALIGN_TILE;
  JSRA_DYNAMIC_SHARED(A, weights_y);  // [rows, SIDE], then [columns, SIDE]
  __shared__ int32_t listed[ROI_ALIGN_THREADS];
  __shared__ unsigned votes[ROI_ALIGN_THREADS / 32];

  int l = 0;
  while (l + 1 < MAX_LIST && (int64_t)blockIdx.x >= first_block.at[l + 1]) ++l;
  const int64_t height = heights.at[l], width = widths.at[l];
  const int64_t tiles_y = (height + SIDE - 1) / SIDE, tiles_x = (width + SIDE - 1) / SIDE;
  int64_t rest = blockIdx.x - first_block.at[l];
  const int64_t left = rest % tiles_x * SIDE, top = rest / tiles_x % tiles_y * SIDE;
  rest /= tiles_x * tiles_y;
  const int64_t b = rest % batches, c = rest / batches * blockDim.x + threadIdx.x;
  const int64_t right = min_of(left + SIDE, width) - 1, bottom = min_of(top + SIDE, height) - 1;

  A sum[SIDE * SIDE];
  for (int i = 0; i < SIDE * SIDE; ++i) sum[i] = A(0);

  for (int64_t base = 0; base < count; base += blockDim.x) {
    // List the RoIs that touch the tile, in order.
    const int64_t mine = base + threadIdx.x;
    bool touches = false;
    if (mine < count) {
      const Roi<A> roi = roi_align_read<A>(rois, level, mine, scales, batches, sampling_ratio, aligned);
      touches = roi.valid && roi.level == l && roi.batch == b && roi_align_touches(roi.y0, roi.height, aligned, top, bottom) &&
                roi_align_touches(roi.x0, roi.width, aligned, left, right);
    }
    const unsigned vote = __ballot_sync(0xffffffffu, touches);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (lane == 0) votes[warp] = vote;
    __syncthreads();
    int position = bit_count(vote & ((1u << lane) - 1u)), total = 0;
    for (int i = 0; i < (int)blockDim.x / 32; ++i) {
      if (i < warp) position += bit_count(votes[i]);
      total += bit_count(votes[i]);
    }
    if (touches) listed[position] = (int32_t)mine;
    __syncthreads();

    for (int n = 0; n < total; ++n) {
      const int64_t k = listed[n], bins_y = grid.rows(k), bins_x = grid.columns(k);
      A* weights_x = weights_y + bins_y * SIDE;
      const Roi<A> roi = roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, aligned);
      const auto ys = roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned);
      const auto xs = roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned);
      int64_t p0, p1, q0, q1;
      roi_align_touching_bins(ys, bins_y, top, bottom, &p0, &p1);
      roi_align_touching_bins(xs, bins_x, left, right, &q0, &q1);
      const int64_t wanted_y = (p1 - p0) * SIDE, wanted = wanted_y + (q1 - q0) * SIDE;
      for (int64_t i = threadIdx.x; i < wanted; i += blockDim.x) {
        const bool is_y = i < wanted_y;
        const int64_t bin = is_y ? p0 + i / SIDE : q0 + (i - wanted_y) / SIDE, side = i % SIDE;
        const int64_t cell = (is_y ? top : left) + side, size = is_y ? height : width;
        const A weight = cell < size ? roi_align_cell_weight(is_y ? ys : xs, bin, cell, size) : A(0);
        (is_y ? weights_y : weights_x)[bin * SIDE + side] = weight;
      }
      __syncthreads();
      if (c < channels)
        for (int64_t p = p0; p < p1; ++p) {
          const T* source = dout_last + (grid.first(k) + p * bins_x) * channels + c;
          A row[SIDE];
          for (int x = 0; x < SIDE; ++x) row[x] = A(0);
          for (int64_t q = q0; q < q1; ++q) {
            const A g = A(source[q * channels]);
            for (int x = 0; x < SIDE; ++x) row[x] += weights_x[q * SIDE + x] * g;
          }
          for (int y = 0; y < SIDE; ++y) {
            const A weight = weights_y[p * SIDE + y];
            for (int x = 0; x < SIDE; ++x) sum[y * SIDE + x] += weight * row[x];
          }
        }
      __syncthreads();
    }
  }
  if (c >= channels) return;
  T* plane = grads.at[l] + (b * channels + c) * height * width;
  for (int y = 0; y < SIDE; ++y)
    for (int x = 0; x < SIDE; ++x)
      if (top + y < height && left + x < width) plane[(top + y) * width + left + x] = T(sum[y * SIDE + x]);
}

// The launch for bins of any kind, from a gradient [.., channels]. sides: the most rows + columns of an RoI.
template <class T, class B, class Bins>
void roi_align_gather(const T* dout_last, const B* rois, const int32_t* level, Pointers<T> grads, int64_t batches,
                      int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count, const Bins& grid,
                      int64_t sides, int64_t sampling_ratio, bool aligned, cudaStream_t stream) {
  const int64_t threads = min_of<int64_t>((channels + 31) / 32 * 32, ROI_ALIGN_THREADS);
  Ints first_block;
  int64_t blocks = 0;
  for (int l = 0; l < MAX_LIST; ++l) {
    first_block.at[l] = blocks;
    const int64_t tiles_y = (heights.at[l] + ROI_ALIGN_TILE - 1) / ROI_ALIGN_TILE;
    const int64_t tiles_x = (widths.at[l] + ROI_ALIGN_TILE - 1) / ROI_ALIGN_TILE;
    if (channels) blocks += tiles_y * tiles_x * batches * ((channels + threads - 1) / threads);
  }
  if (blocks == 0) return;
  const size_t shared = sides * ROI_ALIGN_TILE * sizeof(acc_t<T>);
  auto* kernel = roi_align_backward_kernel<T, B, Bins>;
  JSRA_LAUNCH(kernel, (unsigned int)blocks, (unsigned int)threads, shared, stream, dout_last, rois, level, grads, batches,
              channels, heights, widths, scales, count, grid, sampling_ratio, aligned, first_block);
}

// dout_last: scratch of the size of dout. The rest: as jsra::cpu::roi_align_backward.
template <class T, class B>
void roi_align_backward(const T* dout, const B* rois, const int32_t* level, Pointers<T> grads, T* dout_last,
                        int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                        int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, int64_t aligned, cudaStream_t stream) {
  transpose(dout, dout_last, count, channels, bins_y * bins_x, stream);
  roi_align_gather((const T*)dout_last, rois, level, grads, batches, channels, heights, widths, scales, count,
                   EqualBins{bins_y, bins_x}, bins_y + bins_x, sampling_ratio, aligned != 0, stream);
}

}  // namespace cuda
}  // namespace jsra
