// Small fixed-size lists that travel by value into CPU and CUDA kernels: one entry a pyramid level.
#pragma once
#include <cstdint>

namespace jsra {

constexpr int MAX_LIST = 8;  // MAX_LIST in jsra/ops/kernel.py

template <class T> struct Pointers { T* at[MAX_LIST]; };
struct Ints { int64_t at[MAX_LIST]; };
struct Floats { double at[MAX_LIST]; };

}  // namespace jsra
