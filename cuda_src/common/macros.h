// What host and device code share: function qualifiers, accumulation types, tests that survive -Ofast.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define JSRA_HD __host__ __device__ __forceinline__
#else
#define JSRA_HD inline
#endif

namespace jsra {

// Arithmetic is done in float for float and anything shorter, in double for double.
template <class T> struct accumulator { using type = float; };
template <> struct accumulator<double> { using type = double; };
template <class T> using acc_t = typename accumulator<T>::type;

// Finite and of sane size. Jittor compiles with -Ofast, under which isfinite() and v != v are always "finite": the bits
// are compared instead.
JSRA_HD bool is_finite(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return (bits & 0x7f800000u) != 0x7f800000u;
}
JSRA_HD bool is_finite(double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  return (bits & 0x7ff0000000000000ull) != 0x7ff0000000000000ull;
}

// v, rounded to its type here and now. -Ofast may otherwise fuse v's last operation with the next or regroup a sum; where
// a result has to be the peers' to the last bit (which cell a sample falls into), each operation goes through this.
// On a GPU, where the peers' compiler fuses too, it does nothing.
template <class T> JSRA_HD T rounded(T v) {
#if defined(__CUDA_ARCH__)
  return v;
#elif defined(__x86_64__) && defined(__GNUC__)
  asm("" : "+x"(v));
  return v;
#else
  volatile T w = v;
  return w;
#endif
}

template <class T> JSRA_HD T min_of(T a, T b) { return a < b ? a : b; }
template <class T> JSRA_HD T max_of(T a, T b) { return a > b ? a : b; }
template <class T> JSRA_HD T clamp_to(T v, T low, T high) { return v < low ? low : (v > high ? high : v); }

}  // namespace jsra
