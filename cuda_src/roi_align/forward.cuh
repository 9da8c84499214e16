// RoI Align on the GPU, forward; also the dynamic feature sampler's, whose RoIs have bins of their own (bins.h).
//
// The maps are turned channels-last first (each byte read and written once), because then a bilinear tap of all channels is
// one contiguous read. A block samples one RoI and a slice of channels: it merges the samples of each bin into a short list
// of cells and weights along each axis (shared memory), every thread sums up a bin for 16 bytes of channels. Packed results
// are written as they are, 16 bytes at a time; those of equal bins leave through shared memory as one contiguous piece of
// out [count, channels, bins].
#pragma once
#include "common/list.h"
#include "common/pack.cuh"
#include "common/transpose.cuh"
#include "roi_align/bins.h"
#include "roi_align/math.h"

namespace jsra {
namespace cuda {

constexpr int64_t ROI_ALIGN_ENTRIES = 768;      // merged cells of both axes that a block can hold
constexpr int64_t ROI_ALIGN_TILE_BYTES = 25088;  // results of a block, before they leave: 512 bytes of channels in 7 x 7

// What of one RoI a block works on.
template <class A> struct RoiAlignWork {
  RoiAlignAxis<A> ys, xs;
  int64_t height, width, channels;
};

// The bin (p, q) of the channels at `image`, sample by sample: for boxes whose merged cells do not fit.
template <class T, int N, class A>
JSRA_HD PackSum<T, N> roi_align_bin(const T* image, const RoiAlignWork<A>& w, int64_t p, int64_t q) {
  PackSum<T, N> sum;
  const A norm = A(1) / A(w.ys.samples * w.xs.samples);
  int64_t i, i1, j0, j1;
  w.ys.range(p, w.height, &i, &i1);
  w.xs.range(q, w.width, &j0, &j1);
  for (; i < i1; ++i) {
    const Tap<A> y = tap(w.ys.at(p, i), w.height);
    const T *above = image + y.low * w.width * w.channels, *below = image + y.high * w.width * w.channels;
    for (int64_t j = j0; j < j1; ++j) {
      const Tap<A> x = tap(w.xs.at(q, j), w.width);
      sum.add(norm * y.w_low * x.w_low, above + x.low * w.channels);
      sum.add(norm * y.w_low * x.w_high, above + x.high * w.channels);
      sum.add(norm * y.w_high * x.w_low, below + x.low * w.channels);
      sum.add(norm * y.w_high * x.w_high, below + x.high * w.channels);
    }
  }
  return sum;
}

// Block (k, slice). maps: levels of [batches, height, width, channels]; sides: the most rows + columns of an RoI's bins.
template <class T, int N, class B, class Bins>
__global__ void roi_align_forward_kernel(Pointers<T> maps, const B* rois, const int32_t* level, T* out, int64_t batches,
                                         int64_t channels, Ints heights, Ints widths, Floats scales, Bins grid,
                                         int64_t sides, int64_t sampling_ratio, bool aligned, int64_t slice,
                                         bool staged) {
  using A = acc_t<T>;
  JSRA_DYNAMIC_SHARED(unsigned char, memory);
  A* weights = reinterpret_cast<A*>(memory);
  int32_t* cells = reinterpret_cast<int32_t*>(weights + ROI_ALIGN_ENTRIES);
  int32_t* counts = cells + ROI_ALIGN_ENTRIES;  // of the entries of each row and column of bins
  T* tile = reinterpret_cast<T*>(counts + (sides + 3) / 4 * 4);
  const int64_t slices = (channels + slice - 1) / slice, k = blockIdx.x / slices, c0 = blockIdx.x % slices * slice;
  const int64_t bins_y = grid.rows(k), bins_x = grid.columns(k), bins = bins_y * bins_x;
  const int64_t pitch = staged ? bins | 1 : bins;  // odd: the channels of a bin lie in different banks
  const int64_t valid = min_of(slice, channels - c0);
  T* target = out + grid.first(k) * channels + (Bins::channels_last ? c0 : c0 * bins);

  const Roi<A> roi = roi_align_read<A>(rois, level, k, scales, batches, sampling_ratio, aligned);
  if (!roi.valid) {
    for (int64_t i = threadIdx.x; i < valid * bins; i += blockDim.x)
      target[Bins::channels_last ? i / valid * channels + i % valid : i] = T(A(0));
    return;
  }
  const int64_t l = roi.level;
  const RoiAlignWork<A> w{roi_align_axis(roi.y0, roi.height, bins_y, sampling_ratio, aligned),
                          roi_align_axis(roi.x0, roi.width, bins_x, sampling_ratio, aligned),
                          heights.at[l], widths.at[l], channels};
  const int64_t room_y = roi_align_bin_capacity(w.ys, w.height), room_x = roi_align_bin_capacity(w.xs, w.width);
  const bool merged = bins_y * room_y + bins_x * room_x <= ROI_ALIGN_ENTRIES;
  if (merged)
    for (int64_t i = threadIdx.x; i < bins_y + bins_x; i += blockDim.x) {
      const bool is_y = i < bins_y;
      const int64_t p = is_y ? i : i - bins_y, at = is_y ? i * room_y : bins_y * room_y + p * room_x;
      counts[i] = roi_align_merge_bin(is_y ? w.ys : w.xs, p, is_y ? w.height : w.width, cells + at, weights + at,
                                      (int32_t)(is_y ? room_y : room_x));
    }
  __syncthreads();
  const T* image = maps.at[l] + roi.batch * w.height * w.width * channels + c0;
  const int64_t packs = valid / N;
  for (int64_t item = threadIdx.x; item < bins * packs; item += blockDim.x) {
    const int64_t bin = item / packs, c = item % packs * N, p = bin / bins_x, q = bin % bins_x;
    PackSum<T, N> sum;
    if (merged) {
      const int32_t end_y = (int32_t)(p * room_y) + counts[p];
      const int32_t first_x = (int32_t)(bins_y * room_y + q * room_x), end_x = first_x + counts[bins_y + q];
      for (int32_t e = (int32_t)(p * room_y); e < end_y; ++e) {
        const T* row = image + cells[e] * w.width * channels + c;
        for (int32_t f = first_x; f < end_x; ++f) sum.add(weights[e] * weights[f], row + cells[f] * channels);
      }
    } else {
      sum = roi_align_bin<T, N>(image + c, w, p, q);
    }
    if (Bins::channels_last) {
      Pack<T, N> pack;
      for (int i = 0; i < N; ++i) pack.v[i] = T(sum.v[i]);
      *reinterpret_cast<Pack<T, N>*>(target + bin * channels + c) = pack;
    } else {
      T* result = staged ? tile : target;
      for (int i = 0; i < N; ++i) result[(c + i) * pitch + bin] = T(sum.v[i]);
    }
  }
  if (!staged) return;
  __syncthreads();
  for (int64_t i = threadIdx.x; i < valid * bins; i += blockDim.x) target[i] = tile[i / bins * pitch + i % bins];
}

// The launch for bins of any kind. sides: the most rows + columns of an RoI; staged_bins: the bins of an RoI whose results
// are to leave through shared memory, 0 for packed outputs. The rest: as roi_align_forward.
template <class T, class B, class Bins>
void roi_align_sample(Pointers<T> features, const B* rois, const int32_t* level, T* out, Pointers<T> maps_last,
                      int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                      const Bins& grid, int64_t sides, int64_t staged_bins, int64_t sampling_ratio, bool aligned,
                      cudaStream_t stream) {
  constexpr int N = PACK<T>;
  for (int l = 0; l < MAX_LIST; ++l)
    transpose(features.at[l], maps_last.at[l], batches, channels, heights.at[l] * widths.at[l], stream);
  const int64_t channel_bytes = (staged_bins | 1) * sizeof(T), fitting = ROI_ALIGN_TILE_BYTES / channel_bytes / N * N;
  const bool staged = staged_bins && fitting;
  // A warp's packs, and what the tile holds.
  const int64_t slice = even_slice<N>(channels, staged ? min_of<int64_t>(fitting, 32 * N) : 32 * N);
  const int64_t blocks = count * ((channels - 1) / slice + 1);
  const size_t shared =
      ROI_ALIGN_ENTRIES * (sizeof(acc_t<T>) + 4) + (sides + 3) / 4 * 16 + (staged ? slice * channel_bytes : 0);
  auto* kernel = channels % N ? roi_align_forward_kernel<T, 1, B, Bins> : roi_align_forward_kernel<T, N, B, Bins>;
  JSRA_LAUNCH(kernel, (unsigned int)blocks, 128, shared, stream, maps_last, rois, level, out, batches, channels, heights,
              widths, scales, grid, sides, sampling_ratio, aligned, slice, staged);
}

// maps_last: scratch of the size of the features. The rest: as jsra::cpu::roi_align_forward.
template <class T, class B>
void roi_align_forward(Pointers<T> features, const B* rois, const int32_t* level, T* out, Pointers<T> maps_last,
                       int64_t batches, int64_t channels, Ints heights, Ints widths, Floats scales, int64_t count,
                       int64_t bins_y, int64_t bins_x, int64_t sampling_ratio, int64_t aligned, cudaStream_t stream) {
  if (count * channels * bins_y * bins_x == 0) return;
  roi_align_sample(features, rois, level, out, maps_last, batches, channels, heights, widths, scales, count,
                   EqualBins{bins_y, bins_x}, bins_y + bins_x, bins_y * bins_x, sampling_ratio, aligned != 0, stream);
}

}  // namespace cuda
}  // namespace jsra
