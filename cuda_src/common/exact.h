// Arithmetic of which every operation is rounded on its own, as the peers' programs round it.
//
// Jittor builds with -Ofast: fused multiply-adds, approximate divisions and reordering would decide values at a threshold
// differently. On the host, functions marked JSRA_EXACT are compiled without these (and are inlined only into one another);
// on a GPU the exact_ functions stand for the operators.
#pragma once
#include <math.h>

#include "common/macros.h"

#if defined(__CUDACC__) || !defined(__GNUC__) || defined(__clang__)
#define JSRA_EXACT
#else
#define JSRA_EXACT __attribute__((optimize("no-fast-math", "fp-contract=off")))
#endif

namespace jsra {

#if defined(__CUDA_ARCH__)
__device__ __forceinline__ float exact_add(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float exact_mul(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float exact_div(float a, float b) { return __fdiv_rn(a, b); }
__device__ __forceinline__ float exact_sqrt(float a) { return __fsqrt_rn(a); }
__device__ __forceinline__ double exact_add(double a, double b) { return __dadd_rn(a, b); }
__device__ __forceinline__ double exact_mul(double a, double b) { return __dmul_rn(a, b); }
__device__ __forceinline__ double exact_div(double a, double b) { return __ddiv_rn(a, b); }
#else
template <class T> JSRA_EXACT JSRA_HD T exact_add(T a, T b) { return a + b; }
template <class T> JSRA_EXACT JSRA_HD T exact_mul(T a, T b) { return a * b; }
template <class T> JSRA_EXACT JSRA_HD T exact_div(T a, T b) { return a / b; }
JSRA_EXACT JSRA_HD float exact_sqrt(float a) { return sqrtf(a); }
#endif

}  // namespace jsra
