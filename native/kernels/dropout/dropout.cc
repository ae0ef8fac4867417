// Vectorised dropout; dropout.h has the formulas. Compiled once for each instruction set.
#include "kernels/dropout/dropout.h"

#include "kernels/dropout/philox.h"
#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const DropoutKernels dropout_kernels;

namespace {

constexpr int W = VecF::width;

// y[i] = f(i, part, bits) with the 32 random bits of each element.
template <class F> FB_INLINE void map_drawn(float* y, int64_t begin, int64_t n, const DropoutDraw& draw, F f) {
  const PhiloxKey key(draw.seed_low, draw.seed_high, draw.stream, draw.step);
  uint64_t block = static_cast<uint64_t>(begin) / 4;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W, block += kCounters) {
    const PhiloxWords bits = block_words(block, key);
    store(y + i, f(i, Whole{}, bits.low));
    store(y + i + W, f(i + W, Whole{}, bits.high));
  }
  if (i < n) {
    const PhiloxWords bits = block_words(block, key);
    const Mask low = rest(n - i < W ? n - i : W);
    store(y + i, f(i, low, bits.low), low);
    if (n - i > W) {
      const Mask high = rest(n - i - W);
      store(y + i + W, f(i + W, high, bits.high), high);
    }
  }
}

// x·scale, or 0 where dropped.
struct Rule {
  VecI threshold;
  VecF scale;

  explicit Rule(const DropoutDraw& draw)
      : threshold(set1i(static_cast<int32_t>(static_cast<uint32_t>(draw.threshold)))), scale(set1(draw.scale)) {}
  FB_INLINE VecF operator()(VecF x, VecI bits) const { return select(lt_unsigned(bits, threshold), zero(), x * scale); }
};

// A threshold of 2³² does not fit a lane.
FB_INLINE bool drops_all(const DropoutDraw& draw) { return draw.threshold > 0xffffffffu; }

void dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) return for_vectors(n, [=](int64_t i, auto part) { store(y + i, zero(), part); });
  const Rule rule(draw);
  map_drawn(y, begin, n, draw, [=](int64_t i, auto part, VecI bits) { return rule(load(x + i, part), bits); });
}

void gelu_dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) return dropout(x, y, begin, n, draw);
  const Rule rule(draw);
  map_drawn(y, begin, n, draw, [=](int64_t i, auto part, VecI bits) { return rule(gelu(load(x + i, part)), bits); });
}

void gelu_dropout_grad(const float* dy, const float* x, float* dx, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) {
    return for_vectors(n, [=](int64_t i, auto part) { store(dx + i, zero() * gelu_slope(load(x + i, part)), part); });
  }
  const Rule rule(draw);
  map_drawn(dx, begin, n, draw, [=](int64_t i, auto part, VecI bits) {
    return rule(load(dy + i, part), bits) * gelu_slope(load(x + i, part));
  });
}

void dropout_add(const float* x, const float* residual, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (drops_all(draw)) {
    return for_vectors(n, [=](int64_t i, auto part) { store(y + i, zero() + load(residual + i, part), part); });
  }
  const Rule rule(draw);
  map_drawn(y, begin, n, draw, [=](int64_t i, auto part, VecI bits) {
    return rule(load(x + i, part), bits) + load(residual + i, part);
  });
}

}  // namespace

const DropoutKernels dropout_kernels = {dropout, gelu_dropout, gelu_dropout_grad, dropout_add};

}  // namespace FB_ISA
}  // namespace flashbook
