// Rows plus rows of tables, normalised by channel, through a ReLU: in one pass, two with statistics (CPU).
//
// Threads share out the channels in blocks, and go through the rows in order: nothing is added up in an order that depends
// on the number of threads.
#pragma once
#include <algorithm>
#include <cmath>

#include "common/list.h"
#include "common/macros.h"

namespace jsra {
namespace cpu {

constexpr int64_t NORM_BLOCK = 64;   // channels: the sums of a block stay in registers or the first-level cache
constexpr int64_t NORM_STRETCH = 64; // rows summed in the type of the data before they join a double

// The rows of up to two tables that are added to row t: table[i][rows[i * total + t]].
template <class T> struct AddedRows {
  Pointers<T> tables;
  const int32_t* rows;
  int64_t count, total, channels;
  const T* at(int64_t i, int64_t t) const { return tables.at[i] + (int64_t)rows[i * total + t] * channels; }
};

// sum[0, n) = channels c.. of row t of x, plus those of the added rows.
template <class T>
inline void add_rows(const T* x, const AddedRows<T>& added, int64_t t, int64_t c, int64_t n, T* __restrict__ sum) {
  const T* row = x + t * added.channels + c;
  if (added.count == 0) {
    for (int64_t i = 0; i < n; ++i) sum[i] = row[i];
  } else if (added.count == 1) {
    const T* a = added.at(0, t) + c;
    for (int64_t i = 0; i < n; ++i) sum[i] = row[i] + a[i];
  } else {
    const T *a = added.at(0, t) + c, *b = added.at(1, t) + c;
    for (int64_t i = 0; i < n; ++i) sum[i] = row[i] + (a[i] + b[i]);
  }
}

// x [total, channels]; tables: `added` of [any, channels]; rows [added, total]; weight, bias [channels]; statistics
// [2, channels]: mean and variance, given or (if `measure`) written to `measured`, biased; out [total, channels]; sums
// [total, channels]: x plus the added rows, for the gradient (if `keep`). partial: scratch of the CUDA kernel, unused.
template <class T>
void add_norm_relu_forward(const T* x, Pointers<T> tables, const int32_t* rows, const T* weight, const T* bias,
                           const T* statistics, T* out, T* sums, T* measured, T*, int64_t total, int64_t channels,
                           int64_t added_count, double eps, int64_t measure, int64_t keep) {
  const AddedRows<T> added{tables, rows, added_count, total, channels};
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; c += NORM_BLOCK) {
    const int64_t n = std::min(NORM_BLOCK, channels - c);
    T row[NORM_BLOCK], scale[NORM_BLOCK], shift[NORM_BLOCK];
    const T *mean = statistics + c, *variance = statistics + channels + c;
    if (measure) {
      // Around the first row, so that the variance does not come out of a difference of large numbers.
      T origin[NORM_BLOCK] = {};
      double first[NORM_BLOCK] = {}, second[NORM_BLOCK] = {};
      if (total) add_rows(x, added, 0, c, n, origin);
      for (int64_t t = 0; t < total; t += NORM_STRETCH) {
        T one[NORM_BLOCK] = {}, two[NORM_BLOCK] = {};
        for (int64_t s = t; s < std::min(t + NORM_STRETCH, total); ++s) {
          add_rows(x, added, s, c, n, row);
          for (int64_t i = 0; i < n; ++i) {
            const T d = row[i] - origin[i];
            one[i] += d;
            two[i] += d * d;
          }
        }
        for (int64_t i = 0; i < n; ++i) first[i] += one[i], second[i] += two[i];
      }
      const double share = 1.0 / double(std::max<int64_t>(total, 1));
      for (int64_t i = 0; i < n; ++i) {
        const double m = first[i] * share;
        measured[c + i] = T(m + origin[i]);
        measured[channels + c + i] = T(std::max(second[i] * share - m * m, 0.0));
      }
      mean = measured + c, variance = measured + channels + c;
    } else {
      std::copy_n(mean, n, measured + c);
      std::copy_n(variance, n, measured + channels + c);
    }
    for (int64_t i = 0; i < n; ++i) {
      scale[i] = weight[c + i] / std::sqrt(variance[i] + T(eps));
      shift[i] = bias[c + i] - mean[i] * scale[i];
    }
    for (int64_t t = 0; t < total; ++t) {
      add_rows(x, added, t, c, n, row);
      T* target = out + t * channels + c;
      if (keep) std::copy_n(row, n, sums + t * channels + c);
      for (int64_t i = 0; i < n; ++i) target[i] = std::max(row[i] * scale[i] + shift[i], T(0));
    }
  }
}

// From dout [total, channels] to x, to the tables (sizes.at[i] rows each), to weight and bias. `measured`: the forward's
// statistics, of these rows (measure: the gradient goes through them) or given. scratch is the CUDA kernel's.
template <class T, class I, class N>
void add_norm_relu_backward(const T* dout, const T* sums, const int32_t* rows, const T* weight, const T* bias,
                            const T* measured, T* dx, Pointers<T> dtables, T* dweight, T* dbias, T*, Pointers<I>, N*,
                            int64_t total, int64_t channels, int64_t added_count, double eps, int64_t measure,
                            Ints sizes) {
#pragma omp parallel for schedule(static)
  for (int64_t c = 0; c < channels; c += NORM_BLOCK) {
    const int64_t n = std::min(NORM_BLOCK, channels - c);
    T mean[NORM_BLOCK], inverse[NORM_BLOCK], scale[NORM_BLOCK], shift[NORM_BLOCK];
    for (int64_t i = 0; i < n; ++i) {
      mean[i] = measured[c + i];
      inverse[i] = T(1) / std::sqrt(measured[channels + c + i] + T(eps));
      scale[i] = weight[c + i] * inverse[i];
      shift[i] = bias[c + i] - mean[i] * scale[i];
    }
    double plain[NORM_BLOCK] = {}, along[NORM_BLOCK] = {};  // sums of g and of g * normalised
    for (int64_t t = 0; t < total; t += NORM_STRETCH) {
      T one[NORM_BLOCK] = {}, two[NORM_BLOCK] = {};
      for (int64_t s = t; s < std::min(t + NORM_STRETCH, total); ++s) {
        const T *d = dout + s * channels + c, *v = sums + s * channels + c;
        for (int64_t i = 0; i < n; ++i) {
          const T g = v[i] * scale[i] + shift[i] > T(0) ? d[i] : T(0);
          one[i] += g;
          two[i] += g * ((v[i] - mean[i]) * inverse[i]);
        }
      }
      for (int64_t i = 0; i < n; ++i) plain[i] += one[i], along[i] += two[i];
    }
    T offset[NORM_BLOCK], slope[NORM_BLOCK];
    for (int64_t i = 0; i < n; ++i) {
      dbias[c + i] = T(plain[i]);
      dweight[c + i] = T(along[i]);
      const double share = measure ? 1.0 / double(std::max<int64_t>(total, 1)) : 0.0;
      offset[i] = T(plain[i] * share);
      slope[i] = T(along[i] * share);
    }
    for (int64_t a = 0; a < added_count; ++a)
      for (int64_t r = 0; r < sizes.at[a]; ++r) std::fill_n(dtables.at[a] + r * channels + c, n, T(0));
    for (int64_t t = 0; t < total; ++t) {
      const T *d = dout + t * channels + c, *v = sums + t * channels + c;
      T* target = dx + t * channels + c;
      for (int64_t i = 0; i < n; ++i) {
        const T g = v[i] * scale[i] + shift[i] > T(0) ? d[i] : T(0);
        target[i] = scale[i] * (g - offset[i] - (v[i] - mean[i]) * inverse[i] * slope[i]);
      }
      for (int64_t a = 0; a < added_count; ++a) {
        T* sum = dtables.at[a] + (int64_t)rows[a * total + t] * channels + c;
        for (int64_t i = 0; i < n; ++i) sum[i] += target[i];
      }
    }
  }
}

}  // namespace cpu
}  // namespace jsra
