// Focal loss of a sigmoid (Lin et al. 2017, equation 5): one class of one anchor.
#pragma once
#include <cmath>

#include "common/dense.h"

namespace jsra {

// The loss of a logit against its class is weight * F(-logit), against any other class (1 - weight) * F(logit), with
//     F(s) = sigmoid(s)^gamma * log(1 + exp(s)).
template <class A> struct Focal {
  A value, slope;  // F and its derivative
};

template <class A> JSRA_HD Focal<A> focal(A s, A gamma) {
  using std::exp;
  using std::log;
  const A e = exp(s < A(0) ? s : -s), share = A(1) / (A(1) + e);
  const A p = s < A(0) ? e * share : share, softplus = (s < A(0) ? A(0) : s) + log(A(1) + e);
  const A power = gamma == A(2) ? p * p : exp(gamma * (s - softplus));  // log p = s - softplus
  return {power * softplus, power * (p + gamma * (A(1) - p) * softplus)};
}

// Of the class that the label names (1 to C) or of another one.
template <class A> JSRA_HD A focal_loss(A logit, bool own, A alpha, A gamma) {
  return (own ? alpha : A(1) - alpha) * focal(own ? -logit : logit, gamma).value;
}

template <class A> JSRA_HD A focal_loss_gradient(A logit, bool own, A alpha, A gamma) {
  return (own ? -alpha : A(1) - alpha) * focal(own ? -logit : logit, gamma).slope;
}

}  // namespace jsra
