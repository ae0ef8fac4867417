// The random bits of dropout in plain code, for the scalar kernels: philox.h has the layout.
#pragma once

#include <cstdint>

#include "kernels/dropout/dropout.h"

namespace flashbook {

// The four words of elements 8·block … 8·block + 7.
inline void philox_block(uint32_t* words, uint64_t block, const DropoutDraw& draw) {
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

// Whether element j of a block's eight stays.
inline bool stays(const uint32_t* words, int64_t j, const DropoutDraw& draw) {
  const uint32_t bits = j % 2 == 0 ? words[j / 2] & 0xffffu : words[j / 2] >> 16;
  return bits >= draw.threshold;
}

}  // namespace flashbook
