// Deformable convolution (Dai et al. 2017; modulated: Zhu et al. 2019): where a tap of the kernel samples the input.
#pragma once
#include "common/window.h"

namespace jsra {

// One bilinear sample of a map with zeros around it: unlike SampledAxis, nothing is clamped at the border.
template <class A>
struct ZeroPaddedAxis {
  A v;
  int64_t size;

  JSRA_CALLS_BACK
  template <class F>
  JSRA_HD void each(F f) const {
    if (!is_finite(v) || !(v > A(-1) && v < A(size))) return;
    const int64_t low = floor_above_minus_one(v);
    const A part = v - A(low);
    if (low >= 0) f(low, Share<A>{A(1) - part, A(-1), A(0)});
    if (low + 1 < size) f(low + 1, Share<A>{part, A(1), A(0)});
  }
};

struct ConvSettings {
  int64_t stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
};

// The columns of the convolution as windows: item k is output position (image, row, column), its bins are the kernel's taps.
// offset [batches, groups * taps * 2, rows, columns], y before x; mask [batches, groups * taps, rows, columns] or null.
template <class A, class T>
struct DeformConv2d {
  const T *offset, *mask;
  int64_t height, width, rows, columns, kernel_y, kernel_x;
  ConvSettings s;
  int64_t groups;

  JSRA_HD int64_t parts(int64_t, int64_t, int64_t) const { return 1; }

  // Where the mask of position k and tap (p, q) lies; the offsets lie in the planes 2 * that and 2 * that + 1.
  JSRA_HD int64_t plane(int64_t k, int64_t group, int64_t p, int64_t q) const {
    return (k / (rows * columns) * groups + group) * kernel_y * kernel_x + p * kernel_x + q;
  }

  JSRA_HD Window<A, ZeroPaddedAxis<A>> at(int64_t k, int64_t group, int64_t p, int64_t q, int64_t) const {
    const int64_t area = rows * columns, place = k % area, i = plane(k, group, p, q);
    const int64_t y = place / columns * s.stride_y - s.padding_y + p * s.dilation_y;
    const int64_t x = place % columns * s.stride_x - s.padding_x + q * s.dilation_x;
    return {true,
            0,
            k / area,
            mask ? A(mask[i * area + place]) : A(1),
            ZeroPaddedAxis<A>{A(y) + A(offset[2 * i * area + place]), height},
            ZeroPaddedAxis<A>{A(x) + A(offset[(2 * i + 1) * area + place]), width}};
  }

  // The gradients of an offset and a mask from the slopes of their tap.
  template <class S>
  JSRA_HD void finish(int64_t k, int64_t group, int64_t p, int64_t q, const S* slope, T* doffset, T* dmask) const {
    const int64_t area = rows * columns, place = k % area, i = plane(k, group, p, q);
    doffset[2 * i * area + place] = T(slope[Y0]);
    doffset[(2 * i + 1) * area + place] = T(slope[X0]);
    dmask[i * area + place] = T(slope[VALUE]);
  }
};

}  // namespace jsra
