// Channels-last blocks of feature maps (CPU): vectors, transposition, and the copy of a map's channels into a block.
//
// A block holds the LINE channels of one cache line (16 floats, 8 doubles) of one image: [height, stride, LINE], so that
// a cell is one aligned line and a bilinear tap one vector load. It is small enough to stay in the L2 or L3 cache while
// all RoIs of the image read it, unlike a channels-last copy of the whole tensor.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "common/macros.h"

namespace jsra {
namespace cpu {

#if defined(__AVX512F__)
#define JSRA_VECTOR_BYTES 64
#elif defined(__AVX__)
#define JSRA_VECTOR_BYTES 32
#else
#define JSRA_VECTOR_BYTES 16
#endif

template <class T> struct Vector {
  static constexpr int LANES = JSRA_VECTOR_BYTES / sizeof(T);
  typedef T type __attribute__((vector_size(JSRA_VECTOR_BYTES)));
  typedef T unaligned __attribute__((vector_size(JSRA_VECTOR_BYTES), aligned(sizeof(T)), may_alias));
};

template <class T> constexpr int64_t line() { return 64 / (int64_t)sizeof(T); }

// One cell of a block: LINE channels in as many vectors as the machine needs.
template <class T> struct Cell {
  static constexpr int N = 64 / JSRA_VECTOR_BYTES;
  typename Vector<T>::type v[N];

  static Cell zero() {
    Cell c;
    for (int i = 0; i < N; ++i) c.v[i] = typename Vector<T>::type{};
    return c;
  }
  static const Cell& at(const T* p) { return *reinterpret_cast<const Cell*>(p); }
  static Cell& at(T* p) { return *reinterpret_cast<Cell*>(p); }
  void add(T weight, const Cell& other) {
    for (int i = 0; i < N; ++i) v[i] += weight * other.v[i];
  }
};

// Aligned scratch memory, uninitialised.
template <class T> class Buffer {
 public:
  explicit Buffer(int64_t count) {
    if (posix_memalign(&memory_, 64, (size_t)count * sizeof(T) + 64)) throw std::bad_alloc();
  }
  ~Buffer() { std::free(memory_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* data() { return static_cast<T*>(memory_); }

 private:
  void* memory_ = nullptr;
};

namespace detail {
#if defined(__GNUC__) && !defined(__clang__)
template <int BYTES> struct IntOf;
template <> struct IntOf<4> { using type = int32_t; };
template <> struct IntOf<8> { using type = int64_t; };

// One step of Eklundh's transposition: exchanges the off-diagonal blocks of S lanes between rows i and i + S.
template <class T, int S> inline void exchange(typename Vector<T>::type* rows) {
  constexpr int N = Vector<T>::LANES;
  typedef typename IntOf<sizeof(T)>::type I;
  typedef I mask __attribute__((vector_size(JSRA_VECTOR_BYTES)));
  mask low, high;
  for (int l = 0; l < N; ++l) {
    low[l] = l & S ? N + l - S : l;
    high[l] = l & S ? N + l : l + S;
  }
  for (int i = 0; i < N; ++i)
    if (!(i & S)) {
      const auto a = rows[i], b = rows[i + S];
      rows[i] = __builtin_shuffle(a, b, low);
      rows[i + S] = __builtin_shuffle(a, b, high);
    }
}
template <class T, int S> struct Steps {
  static inline void run(typename Vector<T>::type* rows) {
    exchange<T, S>(rows);
    Steps<T, S / 2>::run(rows);
  }
};
template <class T> struct Steps<T, 0> {
  static inline void run(typename Vector<T>::type*) {}
};
#endif
}  // namespace detail

// Transposes LANES x LANES values. `in(i)` is the address of row i; row j of the result goes to `out(j)`.
template <class T, class In, class Out> inline void transpose_square(In in, Out out) {
  constexpr int N = Vector<T>::LANES;
#if defined(__GNUC__) && !defined(__clang__)
  typedef typename Vector<T>::unaligned U;
  typename Vector<T>::type rows[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) rows[i] = *reinterpret_cast<const U*>(in(i));
  detail::Steps<T, N / 2>::run(rows);
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) *reinterpret_cast<U*>(out(i)) = rows[i];
#else
  T tile[N][N];
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < N; ++j) tile[j][i] = in(i)[j];
  for (int j = 0; j < N; ++j) std::memcpy(out(j), tile[j], sizeof tile[j]);
#endif
}

// Copies cells [x0, x1) of a row between planes and a block. planes: the row in the block's first channel; `plane` is
// the distance of channels; `valid` of the LINE channels exist. `cells`: cell x0 of the block's row.
template <class T>
void row_to_block(const T* planes, int64_t plane, int64_t valid, int64_t x0, int64_t x1, int64_t width, T* row) {
  constexpr int N = Vector<T>::LANES;
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  if (width < N) {
    for (int64_t x = x0; x < x1; ++x)
      for (int64_t c = 0; c < LINE; ++c) row[x * LINE + c] = planes[min_of(c, valid - 1) * plane + x];
    return;
  }
  for (int64_t x = x0; x < x1; x += N) {
    const int64_t at = min_of(x, width - N);  // the last vector of a row overlaps the one before
    for (int64_t g = 0; g < LINE; g += N)
      transpose_square<T>([&](int i) { return planes + min_of(g + i, valid - 1) * plane + at; },
                          [&](int i) { return row + (at + i) * LINE + g; });
  }
}

template <class T>
void block_to_row(const T* row, int64_t plane, int64_t valid, int64_t x0, int64_t x1, int64_t width, T* planes) {
  constexpr int N = Vector<T>::LANES;
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T);
  if (width < N || valid < LINE) {
    for (int64_t c = 0; c < valid; ++c)
      for (int64_t x = x0; x < x1; ++x) planes[c * plane + x] = row[x * LINE + c];
    return;
  }
  for (int64_t x = x0; x < x1; x += N) {
    const int64_t at = min_of(x, width - N);
    for (int64_t g = 0; g < LINE; g += N)
      transpose_square<T>([&](int i) { return row + (at + i) * LINE + g; },
                          [&](int i) { return planes + (g + i) * plane + at; });
  }
}

// A tile [bins, LINE] to the operator's [channels, bins], and back.
template <class T> void tile_to_planes(const T* tile, int64_t bins, int64_t valid, T* planes) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T), N = Vector<T>::LANES;
  int64_t i = 0;
  if (valid == LINE)
    for (; i + N <= bins; i += N)
      for (int64_t g = 0; g < LINE; g += N)
        transpose_square<T>([&](int r) { return tile + (i + r) * LINE + g; },
                            [&](int r) { return planes + (g + r) * bins + i; });
  for (; i < bins; ++i)
    for (int64_t c = 0; c < valid; ++c) planes[c * bins + i] = tile[i * LINE + c];
}

template <class T> void planes_to_tile(const T* planes, int64_t bins, int64_t valid, T* tile) {
  constexpr int64_t LINE = 64 / (int64_t)sizeof(T), N = Vector<T>::LANES;
  int64_t i = 0;
  if (valid == LINE)
    for (; i + N <= bins; i += N)
      for (int64_t g = 0; g < LINE; g += N)
        transpose_square<T>([&](int r) { return planes + (g + r) * bins + i; },
                            [&](int r) { return tile + (i + r) * LINE + g; });
  for (; i < bins; ++i)
    for (int64_t c = 0; c < LINE; ++c) tile[i * LINE + c] = planes[min_of(c, valid - 1) * bins + i];
}

}  // namespace cpu
}  // namespace jsra
