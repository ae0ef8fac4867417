// VecF, VecI, Mask over 8 lanes: AVX2 and FMA. Included by vec.h, which documents the operations.
// A mask is a vector whose lanes are all ones or all zeros.
#pragma once

#include <immintrin.h>

namespace flashbook {
namespace FB_ISA {
namespace {

struct VecF { static constexpr int width = 8; __m256 v; };
struct VecI { static constexpr int width = 8; __m256i v; };
struct Mask { __m256i v; };

FB_INLINE __m256 bits_f(__m256i v) { return _mm256_castsi256_ps(v); }
FB_INLINE __m256i bits_i(__m256 v) { return _mm256_castps_si256(v); }

FB_INLINE Mask first(int n) {
  return {_mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))};
}
FB_INLINE Mask operator&(Mask a, Mask b) { return {_mm256_and_si256(a.v, b.v)}; }
FB_INLINE Mask operator|(Mask a, Mask b) { return {_mm256_or_si256(a.v, b.v)}; }
FB_INLINE Mask not_(Mask a) { return {_mm256_xor_si256(a.v, _mm256_set1_epi32(-1))}; }
FB_INLINE bool any(Mask a) { return _mm256_movemask_ps(bits_f(a.v)) != 0; }
FB_INLINE bool all(Mask a) { return _mm256_movemask_ps(bits_f(a.v)) == 0xff; }

// float32 lanes
FB_INLINE VecF set1(float x) { return {_mm256_set1_ps(x)}; }
FB_INLINE VecF zero() { return {_mm256_setzero_ps()}; }
FB_INLINE VecF load(const float* p) { return {_mm256_loadu_ps(p)}; }
FB_INLINE void store(float* p, VecF x) { _mm256_storeu_ps(p, x.v); }
FB_INLINE VecF maskload(const float* p, Mask m) { return {_mm256_maskload_ps(p, m.v)}; }
FB_INLINE void maskstore(float* p, VecF x, Mask m) { _mm256_maskstore_ps(p, m.v, x.v); }
FB_INLINE VecF operator+(VecF a, VecF b) { return {_mm256_add_ps(a.v, b.v)}; }
FB_INLINE VecF operator-(VecF a, VecF b) { return {_mm256_sub_ps(a.v, b.v)}; }
FB_INLINE VecF operator*(VecF a, VecF b) { return {_mm256_mul_ps(a.v, b.v)}; }
FB_INLINE VecF operator/(VecF a, VecF b) { return {_mm256_div_ps(a.v, b.v)}; }
FB_INLINE VecF operator-(VecF a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
FB_INLINE VecF fma(VecF a, VecF b, VecF c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
FB_INLINE VecF fnma(VecF a, VecF b, VecF c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
FB_INLINE VecF min(VecF a, VecF b) { return {_mm256_min_ps(a.v, b.v)}; }
FB_INLINE VecF max(VecF a, VecF b) { return {_mm256_max_ps(a.v, b.v)}; }
FB_INLINE VecF sqrt(VecF a) { return {_mm256_sqrt_ps(a.v)}; }
FB_INLINE VecF abs(VecF a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
FB_INLINE VecF copysign(VecF magnitude, VecF sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(bit, magnitude.v), _mm256_and_ps(bit, sign.v))};
}
FB_INLINE Mask lt(VecF a, VecF b) { return {bits_i(_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ))}; }
FB_INLINE Mask le(VecF a, VecF b) { return {bits_i(_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ))}; }
FB_INLINE Mask gt(VecF a, VecF b) { return {bits_i(_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ))}; }
FB_INLINE Mask ge(VecF a, VecF b) { return {bits_i(_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ))}; }
FB_INLINE Mask eq(VecF a, VecF b) { return {bits_i(_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ))}; }
FB_INLINE Mask is_nan(VecF a) { return {bits_i(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q))}; }
FB_INLINE VecF select(Mask m, VecF a, VecF b) { return {_mm256_blendv_ps(b.v, a.v, bits_f(m.v))}; }
FB_INLINE VecF round_nearest(VecF a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }

// The fixed tree: halves, quarters, pairs.
FB_INLINE float reduce_add(VecF a) {
  __m128 q = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
FB_INLINE float reduce_max(VecF a) {
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
FB_INLINE float reduce_min(VecF a) {
  __m128 q = _mm_min_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  q = _mm_min_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_min_ss(q, _mm_movehdup_ps(q)));
}

// int32 lanes
FB_INLINE VecI set1i(int32_t x) { return {_mm256_set1_epi32(x)}; }
FB_INLINE VecI lane_index() { return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)}; }
FB_INLINE VecI load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
FB_INLINE void store(int32_t* p, VecI x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.v); }
FB_INLINE VecI maskload(const int32_t* p, Mask m) { return {_mm256_maskload_epi32(p, m.v)}; }
FB_INLINE void maskstore(int32_t* p, VecI x, Mask m) { _mm256_maskstore_epi32(p, m.v, x.v); }
FB_INLINE VecI operator+(VecI a, VecI b) { return {_mm256_add_epi32(a.v, b.v)}; }
FB_INLINE VecI operator-(VecI a, VecI b) { return {_mm256_sub_epi32(a.v, b.v)}; }
FB_INLINE VecI operator*(VecI a, VecI b) { return {_mm256_mullo_epi32(a.v, b.v)}; }
FB_INLINE VecI operator&(VecI a, VecI b) { return {_mm256_and_si256(a.v, b.v)}; }
FB_INLINE VecI operator|(VecI a, VecI b) { return {_mm256_or_si256(a.v, b.v)}; }
FB_INLINE VecI operator^(VecI a, VecI b) { return {_mm256_xor_si256(a.v, b.v)}; }
template <int N> FB_INLINE VecI shift_left(VecI a) { return {_mm256_slli_epi32(a.v, N)}; }
template <int N> FB_INLINE VecI shift_right(VecI a) { return {_mm256_srli_epi32(a.v, N)}; }             // zeros come in
template <int N> FB_INLINE VecI shift_right_signed(VecI a) { return {_mm256_srai_epi32(a.v, N)}; }
FB_INLINE Mask eq(VecI a, VecI b) { return {_mm256_cmpeq_epi32(a.v, b.v)}; }
FB_INLINE Mask gt(VecI a, VecI b) { return {_mm256_cmpgt_epi32(a.v, b.v)}; }
FB_INLINE Mask lt_unsigned(VecI a, VecI b) {
  const __m256i sign = _mm256_set1_epi32(INT32_MIN);
  return {_mm256_cmpgt_epi32(_mm256_xor_si256(b.v, sign), _mm256_xor_si256(a.v, sign))};
}
FB_INLINE VecI select(Mask m, VecI a, VecI b) { return {_mm256_blendv_epi8(b.v, a.v, m.v)}; }
// Upper 32 bits of the unsigned 64-bit products.
FB_INLINE VecI mul_high_unsigned(VecI a, VecI b) {
  const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(a.v, b.v), 32);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), _mm256_srli_epi64(b.v, 32));
  return {_mm256_blend_epi32(even, odd, 0xaa)};
}

FB_INLINE VecI min(VecI a, VecI b) { return {_mm256_min_epi32(a.v, b.v)}; }
FB_INLINE VecI max(VecI a, VecI b) { return {_mm256_max_epi32(a.v, b.v)}; }
FB_INLINE int32_t reduce_max(VecI a) {
  __m128i q = _mm_max_epi32(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  q = _mm_max_epi32(q, _mm_shuffle_epi32(q, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(q, _mm_shuffle_epi32(q, 0xb1)));
}

FB_INLINE VecI to_int(VecF a) { return {_mm256_cvtps_epi32(a.v)}; }
FB_INLINE VecF to_float(VecI a) { return {_mm256_cvtepi32_ps(a.v)}; }
FB_INLINE VecI as_int(VecF a) { return {bits_i(a.v)}; }
FB_INLINE VecF as_float(VecI a) { return {bits_f(a.v)}; }

// int8, uint8 or int16 in memory, int32 in lanes. Stores take lanes that fit.
FB_INLINE void store_i8(int8_t* p, VecI x) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x.v), _mm256_extracti128_si256(x.v, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
FB_INLINE void store_i16(int16_t* p, VecI x) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x.v), _mm256_extracti128_si256(x.v, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), words);
}
FB_INLINE void store_u8(uint8_t* p, VecI x) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x.v), _mm256_extracti128_si256(x.v, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
FB_INLINE void maskstore_u8(uint8_t* p, VecI x, Mask m) {
  uint8_t bytes[8];
  store_u8(bytes, x);
  const int lanes = __builtin_popcount(static_cast<unsigned>(_mm256_movemask_ps(bits_f(m.v))));
  for (int i = 0; i < lanes; i++) p[i] = bytes[i];
}
FB_INLINE VecI load_i8(const int8_t* p) { return {_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))}; }

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
