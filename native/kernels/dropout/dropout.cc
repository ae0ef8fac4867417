// Vectorised dropout; dropout.h has the formulas. Compiled once for each instruction set.
#include "kernels/dropout/dropout.h"

#include "kernels/dropout/philox.h"

namespace flashbook {
namespace FB_ISA {

extern const DropoutKernels dropout_kernels;

namespace {

constexpr int W = VecF::width;

void dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  if (draw.threshold > 0xffffffffu) {
    for (int64_t i = 0; i < n; ++i) y[i] = 0.0f;
    return;
  }
  const PhiloxKey key(draw.seed_low, draw.seed_high, draw.stream, draw.step);
  const VecI threshold = set1i(static_cast<int32_t>(static_cast<uint32_t>(draw.threshold)));
  const VecF scale = set1(draw.scale);
  auto keep = [=](VecF v, VecI bits) { return select(lt_unsigned(bits, threshold), zero(), v * scale); };
  uint64_t block = static_cast<uint64_t>(begin) / 4;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W, block += kCounters) {
    const PhiloxWords bits = block_words(block, key);
    store(y + i, keep(load(x + i), bits.low));
    store(y + i + W, keep(load(x + i + W), bits.high));
  }
  if (i < n) {
    const PhiloxWords bits = block_words(block, key);
    const int64_t left = n - i;
    const Mask low = first(left < W ? static_cast<int>(left) : W), high = first(left > W ? static_cast<int>(left - W) : 0);
    maskstore(y + i, keep(maskload(x + i, low), bits.low), low);
    if (left > W) maskstore(y + i + W, keep(maskload(x + i + W, high), bits.high), high);
  }
}

}  // namespace

const DropoutKernels dropout_kernels = {dropout};

}  // namespace FB_ISA
}  // namespace flashbook
