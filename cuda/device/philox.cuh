// Philox4x32-10 (Salmon et al. 2011): the bits of native/kernels/dropout/philox.h, which has the layout. One call draws the block
// of eight elements, two a word, low half first.
#pragma once

#include <cstdint>

namespace flashbook::cuda {

__device__ __forceinline__ uint4 philox_block(uint64_t block, uint32_t stream, uint32_t step, uint32_t key0, uint32_t key1) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32), c2 = stream, c3 = step;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
    const uint32_t high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return make_uint4(c0, c1, c2, c3);
}

}  // namespace flashbook::cuda
