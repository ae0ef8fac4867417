// Plain scalar dropout: dropout.h has the formulas.
#include "kernels/dropout/dropout.h"

#include <algorithm>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

void philox_block(uint32_t* words, uint64_t block, const DropoutDraw& draw) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32), c2 = draw.stream, c3 = draw.step;
  uint32_t k0 = draw.seed_low, k1 = draw.seed_high;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * c0, p1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

void dropout(const float* x, float* y, int64_t begin, int64_t n, const DropoutDraw& draw) {
  for (int64_t i = 0; i < n; i += 4) {
    uint32_t bits[4];
    philox_block(bits, static_cast<uint64_t>(begin + i) / 4, draw);
    for (int64_t j = 0; j < std::min<int64_t>(4, n - i); ++j) y[i + j] = bits[j] < draw.threshold ? 0.0f : x[i + j] * draw.scale;
  }
}

const DropoutKernels reference = {dropout};

}  // namespace

FLASHBOOK_KERNEL_TABLE(DropoutKernels, dropout)

}  // namespace flashbook
