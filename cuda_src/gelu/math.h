// The Gaussian error linear unit, x * Phi(x): one element.
#pragma once
#include <math.h>

#include "common/macros.h"

namespace jsra {

// Phi(x), the normal distribution function.
JSRA_HD double normal_cdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }
JSRA_HD float normal_cdf(float x) {
#if defined(__CUDA_ARCH__)
  return 0.5f * erfcf(-x * 0.70710678f);
#else
  // erfc(z) = exp(-z * z) * t * polynomial(t), t = 1 / (1 + p z) for z >= 0: the form of Hastings (Abramowitz and Stegun
  // 7.1.26) with two more terms, fitted to 4e-9, because compilers make vectors of it and not of erfcf.
  const float z = fabsf(x) * 0.70710678f, t = 1.f / (1.f + 0.3275911f * z);
  float sum = -0.29844136f;
  sum = sum * t + 1.50477363f;
  sum = sum * t - 2.08545713f;
  sum = sum * t + 2.04000440f;
  sum = sum * t - 0.74900686f;
  sum = sum * t + 0.43108444f;
  sum = sum * t + 0.15704287f;
  const float tail = 0.5f * sum * t * expf(-z * z);
  return x < 0 ? tail : 1.f - tail;
#endif
}

template <class T> JSRA_HD T gelu(T x) { return x * normal_cdf(x); }

// d gelu / dx = Phi(x) + x * phi(x).
template <class T> JSRA_HD T gelu_slope(T x) {
  return normal_cdf(x) + x * T(0.39894228040143267794) * T(exp(T(-0.5) * x * x));
}

}  // namespace jsra
