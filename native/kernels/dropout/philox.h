// Philox4x32-10 over vectors: width/2 counters at a time, one word of each counter in the low half of a 64-bit lane. What stands in
// the high halves between rounds is never read. dropout.h has the source.
#pragma once

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

constexpr int kCounters = VecI::width / 2;

#if defined(FB_SIMD_512)
FB_INLINE VecI multiply_low_halves(VecI a, VecI b) { return {_mm512_mul_epu32(a.v, b.v)}; }
FB_INLINE VecI high_halves(VecI a) { return {_mm512_srli_epi64(a.v, 32)}; }
FB_INLINE VecI add_wide(VecI a, VecI b) { return {_mm512_add_epi64(a.v, b.v)}; }
FB_INLINE VecI set1_wide(uint64_t x) { return {_mm512_set1_epi64(static_cast<int64_t>(x))}; }
FB_INLINE VecI xor3(VecI a, VecI b, VecI c) { return {_mm512_ternarylogic_epi32(a.v, b.v, c.v, 0x96)}; }
// a in the low halves, b in the high ones.
FB_INLINE VecI pair(VecI a, VecI b) { return {_mm512_mask_blend_epi32(0xaaaa, a.v, _mm512_slli_epi64(b.v, 32))}; }
FB_INLINE VecI interleave_even(VecI a, VecI b) { return {_mm512_unpacklo_epi64(a.v, b.v)}; }
FB_INLINE VecI interleave_odd(VecI a, VecI b) { return {_mm512_unpackhi_epi64(a.v, b.v)}; }
// Even lanes get the first half of the counters, odd lanes the second: see block_words.
FB_INLINE VecI dealt() { return {_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7)}; }
#else
FB_INLINE VecI multiply_low_halves(VecI a, VecI b) { return {_mm256_mul_epu32(a.v, b.v)}; }
FB_INLINE VecI high_halves(VecI a) { return {_mm256_srli_epi64(a.v, 32)}; }
FB_INLINE VecI add_wide(VecI a, VecI b) { return {_mm256_add_epi64(a.v, b.v)}; }
FB_INLINE VecI set1_wide(uint64_t x) { return {_mm256_set1_epi64x(static_cast<int64_t>(x))}; }
FB_INLINE VecI xor3(VecI a, VecI b, VecI c) { return a ^ b ^ c; }
FB_INLINE VecI pair(VecI a, VecI b) { return {_mm256_blend_epi32(a.v, _mm256_slli_epi64(b.v, 32), 0xaa)}; }
FB_INLINE VecI interleave_even(VecI a, VecI b) { return {_mm256_unpacklo_epi64(a.v, b.v)}; }
FB_INLINE VecI interleave_odd(VecI a, VecI b) { return {_mm256_unpackhi_epi64(a.v, b.v)}; }
FB_INLINE VecI dealt() { return {_mm256_setr_epi64x(0, 2, 1, 3)}; }
#endif

struct PhiloxKey {
  VecI stream, step, first[10], second[10];

  PhiloxKey(uint32_t low, uint32_t high, uint32_t stream_word, uint32_t step_word)
      : stream(set1_wide(stream_word)), step(set1_wide(step_word)) {
    for (int round = 0; round < 10; ++round) {
      first[round] = set1_wide(low + static_cast<uint32_t>(round) * 0x9E3779B9u);
      second[round] = set1_wide(high + static_cast<uint32_t>(round) * 0xBB67AE85u);
    }
  }
};

// The words of counters block … block + kCounters−1 in memory order: 2·width of them.
struct PhiloxWords { VecI low, high; };

FB_INLINE PhiloxWords block_words(uint64_t block, const PhiloxKey& key) {
  const VecI m0 = set1_wide(0xD2511F53u), m1 = set1_wide(0xCD9E8D57u);
  VecI c0 = add_wide(set1_wide(block), dealt());
  VecI c1 = high_halves(c0), c2 = key.stream, c3 = key.step;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const VecI p0 = multiply_low_halves(m0, c0), p1 = multiply_low_halves(m1, c2);
    c0 = xor3(high_halves(p1), c1, key.first[round]);
    c1 = p1;
    c2 = xor3(high_halves(p0), c3, key.second[round]);
    c3 = p0;
  }
  const VecI front = pair(c0, c1), back = pair(c2, c3);
  return {interleave_even(front, back), interleave_odd(front, back)};
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
