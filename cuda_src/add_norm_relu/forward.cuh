// Rows plus rows of tables, normalised by channel, through a ReLU (GPU).
//
// Statistics are summed in NORM_CHUNKS pieces of the rows, each by one thread a channel, and the pieces in a fixed order:
// the same bits in every run.
#pragma once
#include "common/launch.h"
#include "common/list.h"

namespace jsra {
namespace cuda {

constexpr int NORM_CHUNKS = 64;    // _CHUNKS in jsra/ops/add_norm_relu.py
constexpr int NORM_THREADS = 64;   // neighbouring channels

// x[t, c] plus the rows of up to two tables.
template <class T> struct AddedRows {
  const T* x;
  Pointers<T> tables;
  const int32_t* rows;
  int64_t count, total, channels;
  JSRA_HD acc_t<T> at(int64_t t, int64_t c) const {
    acc_t<T> sum = acc_t<T>(x[t * channels + c]);
    for (int64_t i = 0; i < count; ++i) sum += acc_t<T>(tables.at[i][rows[i * total + t] * channels + c]);
    return sum;
  }
};

// partial [NORM_CHUNKS, 2, channels]: sums over a piece of the rows of the distance to row 0, and of its square.
template <class T, class M>
__global__ void norm_partial_kernel(AddedRows<T> s, M* partial) {
  const int64_t c = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, piece = blockIdx.y;
  if (c >= s.channels) return;
  const M origin = s.total ? M(s.at(0, c)) : M(0);
  M one = M(0), two = M(0);
  for (int64_t t = s.total * piece / NORM_CHUNKS; t < s.total * (piece + 1) / NORM_CHUNKS; ++t) {
    const M d = M(s.at(t, c)) - origin;
    one += d;
    two += d * d;
  }
  partial[piece * 2 * s.channels + c] = one;
  partial[(piece * 2 + 1) * s.channels + c] = two;
}

template <class T, class M>
__global__ void norm_measure_kernel(AddedRows<T> s, const M* partial, const M* statistics, M* measured, bool measure) {
  JSRA_FOR_EACH(c, s.channels) {
    if (!measure) {
      measured[c] = statistics[c];
      measured[s.channels + c] = statistics[s.channels + c];
      continue;
    }
    double one = 0, two = 0;
    for (int64_t piece = 0; piece < NORM_CHUNKS; ++piece) {
      one += double(partial[piece * 2 * s.channels + c]);
      two += double(partial[(piece * 2 + 1) * s.channels + c]);
    }
    const double share = 1.0 / double(max_of<int64_t>(s.total, 1)), mean = one * share;
    measured[c] = M(mean) + (s.total ? M(s.at(0, c)) : M(0));
    measured[s.channels + c] = M(max_of(two * share - mean * mean, 0.0));
  }
}

template <class T, class M>
__global__ void norm_relu_kernel(AddedRows<T> s, const M* weight, const M* bias, const M* measured, T* out, T* sums,
                                 M eps, bool keep) {
  JSRA_FOR_EACH(i, s.total * s.channels) {
    const int64_t c = i % s.channels;
    const M v = M(s.at(i / s.channels, c)), scale = weight[c] / sqrt(measured[s.channels + c] + eps);
    if (keep) sums[i] = T(v);
    out[i] = T(max_of((v - measured[c]) * scale + bias[c], M(0)));
  }
}

// As jsra::cpu::add_norm_relu_forward. partial: scratch [NORM_CHUNKS, 2 * channels].
template <class T, class M>
void add_norm_relu_forward(const T* x, Pointers<T> tables, const int32_t* rows, const M* weight, const M* bias,
                           const M* statistics, T* out, T* sums, M* measured, M* partial, int64_t total,
                           int64_t channels, int64_t added_count, double eps, int64_t measure, int64_t keep,
                           cudaStream_t stream) {
  if (channels == 0) return;
  const AddedRows<T> s{x, tables, rows, added_count, total, channels};
  if (measure) {
    auto* sum = norm_partial_kernel<T, M>;
    const dim3 grid(blocks_for(channels, NORM_THREADS), NORM_CHUNKS);
    JSRA_LAUNCH(sum, grid, NORM_THREADS, 0, stream, s, partial);
  }
  auto* finish = norm_measure_kernel<T, M>;
  JSRA_LAUNCH_FILL(finish, channels, NORM_THREADS, 0, stream, s, partial, statistics, measured, measure != 0);
  if (total == 0) return;
  auto* apply = norm_relu_kernel<T, M>;
  JSRA_LAUNCH_FILL(apply, total * channels, 256, 0, stream, s, weight, bias, measured, out, sums, M(eps), keep != 0);
}

}  // namespace cuda
}  // namespace jsra
