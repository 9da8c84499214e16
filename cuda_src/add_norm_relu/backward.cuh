// Rows plus rows of tables, normalised, through a ReLU: the gradients (GPU).
#pragma once
#include "add_norm_relu/forward.cuh"
#include "common/fixed_point.cuh"

namespace jsra {
namespace cuda {

// What the gradients of one element need. sums: x plus the added rows.
template <class T, class M> struct NormGradient {
  const T *dout, *sums;
  const M *weight, *bias, *measured;
  int64_t total, channels;
  M eps;
  JSRA_HD M inverse(int64_t c) const { return M(1) / sqrt(measured[channels + c] + eps); }
  JSRA_HD M normalised(int64_t t, int64_t c) const { return (M(sums[t * channels + c]) - measured[c]) * inverse(c); }
  // The gradient at the normalised and scaled value.
  JSRA_HD M behind_relu(int64_t t, int64_t c) const {
    return normalised(t, c) * weight[c] + bias[c] > M(0) ? M(dout[t * channels + c]) : M(0);
  }
};

// partial [NORM_CHUNKS, 2, channels]: sums over a piece of the rows of the gradient, and of it times the normalised value.
template <class T, class M> __global__ void norm_gradient_partial_kernel(NormGradient<T, M> g, M* partial) {
  const int64_t c = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, piece = blockIdx.y;
  if (c >= g.channels) return;
  M one = M(0), two = M(0);
  for (int64_t t = g.total * piece / NORM_CHUNKS; t < g.total * (piece + 1) / NORM_CHUNKS; ++t) {
    const M d = g.behind_relu(t, c);
    one += d;
    two += d * g.normalised(t, c);
  }
  partial[piece * 2 * g.channels + c] = one;
  partial[(piece * 2 + 1) * g.channels + c] = two;
}

template <class M>
__global__ void norm_gradient_finish_kernel(const M* partial, M* dweight, M* dbias, int64_t channels) {
  JSRA_FOR_EACH(c, channels) {
    double one = 0, two = 0;
    for (int64_t piece = 0; piece < NORM_CHUNKS; ++piece) {
      one += double(partial[piece * 2 * channels + c]);
      two += double(partial[(piece * 2 + 1) * channels + c]);
    }
    dbias[c] = M(one);
    dweight[c] = M(two);
  }
}

template <class T, class M>
__global__ void norm_gradient_kernel(NormGradient<T, M> g, const M* dweight, const M* dbias, T* dx, bool measure,
                                     unsigned int* largest) {
  uint32_t mine = 0;
  JSRA_FOR_EACH(i, g.total * g.channels) {
    const int64_t t = i / g.channels, c = i % g.channels;
    M d = g.behind_relu(t, c);
    if (measure) d -= (dbias[c] + g.normalised(t, c) * dweight[c]) / M(g.total);
    dx[i] = T(d * g.weight[c] * g.inverse(c));
    mine = max_of(mine, magnitude_bits(float(dx[i])));
  }
  fixed_largest(mine, largest);
}

template <class T, class I>
__global__ void norm_tables_kernel(const T* dx, const int32_t* rows, Pointers<I> sums, int64_t total, int64_t channels,
                                   int64_t added_count, const unsigned int* largest) {
  const uint32_t bits = *largest;
  if (bits >= 0x7f800000u) return;  // not finite: the finishing kernel says so
  const float unit = power_of_two(fixed_exponent(bits, total + 1));
  JSRA_FOR_EACH(i, total * channels)
    for (int64_t a = 0; a < added_count; ++a)
      fixed_add(sums.at[a] + rows[a * total + i / channels] * channels + i % channels, float(dx[i]), unit);
}

// As jsra::cpu::add_norm_relu_backward. Scratch: partial [NORM_CHUNKS, 2 * channels]; sums, largest (fixed_point.cuh).
template <class T, class M, class I, class N>
void add_norm_relu_backward(const T* dout, const T* kept, const int32_t* rows, const M* weight, const M* bias,
                            const M* measured, T* dx, Pointers<T> dtables, M* dweight, M* dbias, M* partial,
                            Pointers<I> sums, N* largest_scratch, int64_t total, int64_t channels, int64_t added_count,
                            double eps, int64_t measure, Ints sizes, cudaStream_t stream) {
  static_assert(sizeof(I) == sizeof(fixed_t) && sizeof(N) == sizeof(unsigned int), "scratch of the wrong type");
  if (channels == 0) return;
  auto* largest = reinterpret_cast<unsigned int*>(largest_scratch);
  const NormGradient<T, M> g{dout, kept, weight, bias, measured, total, channels, M(eps)};
  auto* sum = norm_gradient_partial_kernel<T, M>;
  const dim3 grid(blocks_for(channels, NORM_THREADS), NORM_CHUNKS);
  JSRA_LAUNCH(sum, grid, NORM_THREADS, 0, stream, g, partial);
  auto* finish = norm_gradient_finish_kernel<M>;
  JSRA_LAUNCH_FILL(finish, channels, NORM_THREADS, 0, stream, partial, dweight, dbias, channels);

  Ints counts = {};
  int64_t most = 1;
  for (int64_t a = 0; a < added_count; ++a) {
    counts.at[a] = sizes.at[a] * channels;
    most = max_of(most, counts.at[a]);
  }
  auto* clear = fixed_clear_kernel<I>;
  JSRA_LAUNCH_FILL(clear, most, 256, 0, stream, sums, counts, largest);
  if (total) {
    auto* apply = norm_gradient_kernel<T, M>;
    JSRA_LAUNCH_FILL(apply, total * channels, 256, 0, stream, g, dweight, dbias, dx, measure != 0, largest);
    auto* scatter = norm_tables_kernel<T, I>;
    JSRA_LAUNCH_FILL(scatter, total * channels, 256, 0, stream, dx, rows, sums, total, channels, added_count, largest);
  }
  auto* done = fixed_finish_kernel<T, I>;
  JSRA_LAUNCH_FILL(done, most, 256, 0, stream, sums, dtables, counts, largest, total + 1);
}

}  // namespace cuda
}  // namespace jsra
