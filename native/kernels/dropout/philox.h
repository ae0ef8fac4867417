// The random bits of dropout: 16 for each element, two elements a word, of Philox4x32-10 (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011) with ten rounds.
//
//   key      (seed_low, seed_high) = (rng[0], rng[1])
//   counter  (b mod 2³², b div 2³², stream, step) with b = e div 8 and step = rng[2]
//   bits(e)  = the half h = e mod 8 of the block's words w0 w1 w2 w3, each giving its low half first: for even h
//              w[h/2] mod 2¹⁶, for odd h w[(h−1)/2] div 2¹⁶. A block in little-endian memory is an array of eight uint16.
//
// Over vectors: width/2 counters at a time, one word of each counter in the low half of a 64-bit lane, so that one
// multiplication gives both halves of the product and nothing is shuffled between rounds. What stands in the high halves between
// rounds is never read. Counters are dealt to lanes in the order in which two interleaves put the words into memory order.
// A comparison of 16-bit lanes then decides on two vectors of elements at once.
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

// The masks of lanes of the first and the second half of `bits`, 16 bits an element, that reach the threshold.
#if defined(FB_SIMD_512)
struct Threshold {
  __m512i v;
  explicit Threshold(uint32_t x) : v(_mm512_set1_epi16(static_cast<int16_t>(x))) {}
};
FB_INLINE void at_least(VecI bits, Threshold threshold, Mask& first_half, Mask& second_half) {
  const __mmask32 kept = _mm512_cmpge_epu16_mask(bits.v, threshold.v);
  first_half = {static_cast<__mmask16>(kept)};
  second_half = {static_cast<__mmask16>(kept >> 16)};
}
#else
struct Threshold {
  __m256i v;
  explicit Threshold(uint32_t x) : v(_mm256_set1_epi16(static_cast<int16_t>(x))) {}
};
FB_INLINE void at_least(VecI bits, Threshold threshold, Mask& first_half, Mask& second_half) {
  const __m256i kept = _mm256_cmpeq_epi16(_mm256_max_epu16(bits.v, threshold.v), bits.v);
  first_half = {_mm256_cvtepi16_epi32(_mm256_castsi256_si128(kept))};
  second_half = {_mm256_cvtepi16_epi32(_mm256_extracti128_si256(kept, 1))};
}
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

// The four words of the blocks from `block` on, in the low halves of the lanes.
struct PhiloxWords { VecI w0, w1, w2, w3; };

FB_INLINE PhiloxWords draw_words(uint64_t block, const PhiloxKey& key) {
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
  return {c0, c1, c2, c3};
}

// Which elements of the blocks from `block` on are kept: four vectors of them.
struct Kept { Mask at[4]; };

FB_INLINE Kept draw_blocks(uint64_t block, const PhiloxKey& key, Threshold threshold) {
  const PhiloxWords words = draw_words(block, key);
  const VecI front = pair(words.w0, words.w1), back = pair(words.w2, words.w3);
  Kept kept;
  at_least(interleave_even(front, back), threshold, kept.at[0], kept.at[1]);
  at_least(interleave_odd(front, back), threshold, kept.at[2], kept.at[3]);
  return kept;
}

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
