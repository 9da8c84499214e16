// Packs of neighbouring channels: what a thread reads at a time, 16 bytes where the channels divide.
#pragma once
#include "common/launch.h"

namespace jsra {
namespace cuda {

template <class T> constexpr int PACK = 16 / sizeof(T);

template <class T, int N> struct alignas(N * sizeof(T)) Pack { T v[N]; };

template <class T, int N> JSRA_HD Pack<T, N> read_pack(const T* source) {
  return *reinterpret_cast<const Pack<T, N>*>(source);
}

// The channels of a slice where none may have more than `most`: as few slices as that allows, of about equal size, in packs.
template <int N> int64_t even_slice(int64_t channels, int64_t most) {
  const int64_t slices = (channels - 1) / most + 1;
  return ((channels - 1) / slices / N + 1) * N;
}

// A weighted sum of packs.
template <class T, int N> struct PackSum {
  using A = acc_t<T>;
  A v[N];
  JSRA_HD PackSum() {
    for (int i = 0; i < N; ++i) v[i] = A(0);
  }
  JSRA_HD void add(A weight, const T* source) {
    const auto pack = read_pack<T, N>(source);
    for (int i = 0; i < N; ++i) v[i] += weight * A(pack.v[i]);
  }
};

}  // namespace cuda
}  // namespace jsra
