// Vectorised dropout; dropout.h has the formulas. Compiled once for each instruction set.
#include "kernels/dropout/dropout.h"

#include "kernels/dropout/philox.h"
#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const DropoutKernels dropout_kernels;

namespace {

constexpr int W = VecF::width;

// x·scale, or 0 where dropped.
FB_INLINE VecF drop(VecF x, VecF scale, Mask kept) { return select(kept, x * scale, zero()); }

// y[i] = f(i, part, kept) with the mask of the elements that stay.
template <class F> FB_INLINE void map_drawn(float* y, int64_t begin, int64_t n, const DropoutDraw& draw, F f) {
  const PhiloxKey key(draw.seed_low, draw.seed_high, draw.stream, draw.step);
  const Threshold threshold(draw.threshold);
  uint64_t block = static_cast<uint64_t>(begin) / 8;
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W, block += kCounters) {
    const Kept kept = draw_blocks(block, key, threshold);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) store(y + i + v * W, f(i + v * W, Whole{}, kept.at[v]));
  }
  if (i == n) return;
  const Kept kept = draw_blocks(block, key, threshold);
  for (int v = 0; i < n; ++v, i += W) {
    const Mask part = rest(n - i < W ? n - i : W);
    store(y + i, f(i, part, kept.at[v]), part);
  }
}

// A threshold of 2¹⁶ does not fit a lane.
FB_INLINE bool drops_all(const DropoutDraw& draw) { return draw.threshold > 0xffffu; }

void dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) return for_vectors(n, [=](int64_t i, auto part) { store(y + i, zero(), part); });
  const VecF scale = set1(draw.scale);
  map_drawn(y, begin, n, draw, [=](int64_t i, auto part, Mask kept) { return drop(load(x + i, part), scale, kept); });
}

void gelu_dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) return dropout(x, y, begin, n, draw);
  const VecF scale = set1(draw.scale);
  map_drawn(y, begin, n, draw, [=](int64_t i, auto part, Mask kept) { return drop(gelu(load(x + i, part)), scale, kept); });
}

void gelu_dropout_with_slope(const float* x, float* y, float* slope, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) {
    dropout(x, y, begin, n, draw);
    return dropout(x, slope, begin, n, draw);
  }
  const VecF scale = set1(draw.scale);
  map_drawn(y, begin, n, draw, [=](int64_t i, auto part, Mask kept) {
    const Gelu g = gelu_with_slope(load(x + i, part));
    store(slope + i, drop(g.slope, scale, kept), part);
    return drop(g.y, scale, kept);
  });
}

void gelu_dropout_grad(const float* dy, const float* x, float* dx, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) {
    return for_vectors(n, [=](int64_t i, auto part) { store(dx + i, zero() * gelu_slope(load(x + i, part)), part); });
  }
  const VecF scale = set1(draw.scale);
  map_drawn(dx, begin, n, draw, [=](int64_t i, auto part, Mask kept) {
    return drop(load(dy + i, part), scale, kept) * gelu_slope(load(x + i, part));
  });
}

void dropout_add(const float* x, const float* residual, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) {
    return for_vectors(n, [=](int64_t i, auto part) { store(y + i, zero() + load(residual + i, part), part); });
  }
  const VecF scale = set1(draw.scale);
  map_drawn(y, begin, n, draw, [=](int64_t i, auto part, Mask kept) {
    return drop(load(x + i, part), scale, kept) + load(residual + i, part);
  });
}

}  // namespace

const DropoutKernels dropout_kernels = {dropout, gelu_dropout, gelu_dropout_with_slope, gelu_dropout_grad, dropout_add};

}  // namespace FB_ISA
}  // namespace flashbook
