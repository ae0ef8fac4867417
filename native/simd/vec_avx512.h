// VecF, VecI, Mask over 16 lanes: AVX-512 F, BW, DQ, VL. Included by vec.h, which documents the operations.
#pragma once

#include <immintrin.h>

// GCC's own AVX-512 intrinsics pass an undefined source to unmasked forms, and GCC 12 warns of it at every inlining.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace flashbook {
namespace FB_ISA {
namespace {

struct VecF { static constexpr int width = 16; __m512 v; };
struct VecI { static constexpr int width = 16; __m512i v; };
struct Mask { __mmask16 v; };

FB_INLINE Mask first(int n) { return {static_cast<__mmask16>((1u << n) - 1u)}; }
FB_INLINE Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.v & b.v)}; }
FB_INLINE Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.v | b.v)}; }
FB_INLINE Mask not_(Mask a) { return {static_cast<__mmask16>(~a.v)}; }
FB_INLINE bool any(Mask a) { return a.v != 0; }
FB_INLINE bool all(Mask a) { return a.v == 0xffff; }

// float32 lanes
FB_INLINE VecF set1(float x) { return {_mm512_set1_ps(x)}; }
FB_INLINE VecF zero() { return {_mm512_setzero_ps()}; }
FB_INLINE VecF load(const float* p) { return {_mm512_loadu_ps(p)}; }
FB_INLINE void store(float* p, VecF x) { _mm512_storeu_ps(p, x.v); }
FB_INLINE VecF maskload(const float* p, Mask m) { return {_mm512_maskz_loadu_ps(m.v, p)}; }
FB_INLINE void maskstore(float* p, VecF x, Mask m) { _mm512_mask_storeu_ps(p, m.v, x.v); }
FB_INLINE VecF operator+(VecF a, VecF b) { return {_mm512_add_ps(a.v, b.v)}; }
FB_INLINE VecF operator-(VecF a, VecF b) { return {_mm512_sub_ps(a.v, b.v)}; }
FB_INLINE VecF operator*(VecF a, VecF b) { return {_mm512_mul_ps(a.v, b.v)}; }
FB_INLINE VecF operator/(VecF a, VecF b) { return {_mm512_div_ps(a.v, b.v)}; }
FB_INLINE VecF operator-(VecF a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
FB_INLINE VecF fma(VecF a, VecF b, VecF c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
FB_INLINE VecF fnma(VecF a, VecF b, VecF c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
FB_INLINE VecF min(VecF a, VecF b) { return {_mm512_min_ps(a.v, b.v)}; }
FB_INLINE VecF max(VecF a, VecF b) { return {_mm512_max_ps(a.v, b.v)}; }
FB_INLINE VecF sqrt(VecF a) { return {_mm512_sqrt_ps(a.v)}; }
FB_INLINE VecF abs(VecF a) { return {_mm512_abs_ps(a.v)}; }
FB_INLINE VecF copysign(VecF magnitude, VecF sign) {
  const __m512 bit = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(bit, magnitude.v), _mm512_and_ps(bit, sign.v))};
}
FB_INLINE Mask lt(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
FB_INLINE Mask le(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
FB_INLINE Mask gt(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
FB_INLINE Mask ge(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
FB_INLINE Mask eq(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
FB_INLINE Mask is_nan(VecF a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
FB_INLINE VecF select(Mask m, VecF a, VecF b) { return {_mm512_mask_blend_ps(m.v, b.v, a.v)}; }
FB_INLINE VecF round_nearest(VecF a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }

// The fixed tree: halves, quarters, pairs.
FB_INLINE __m256 upper_half(__m512 v) { return _mm512_extractf32x8_ps(v, 1); }
FB_INLINE float reduce_add(VecF a) {
  const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), upper_half(a.v));
  __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
FB_INLINE float reduce_max(VecF a) {
  const __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a.v), upper_half(a.v));
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
FB_INLINE float reduce_min(VecF a) {
  const __m256 h = _mm256_min_ps(_mm512_castps512_ps256(a.v), upper_half(a.v));
  __m128 q = _mm_min_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_min_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_min_ss(q, _mm_movehdup_ps(q)));
}

// int32 lanes
FB_INLINE VecI set1i(int32_t x) { return {_mm512_set1_epi32(x)}; }
FB_INLINE VecI lane_index() { return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}; }
FB_INLINE VecI load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
FB_INLINE void store(int32_t* p, VecI x) { _mm512_storeu_si512(p, x.v); }
FB_INLINE VecI maskload(const int32_t* p, Mask m) { return {_mm512_maskz_loadu_epi32(m.v, p)}; }
FB_INLINE void maskstore(int32_t* p, VecI x, Mask m) { _mm512_mask_storeu_epi32(p, m.v, x.v); }
FB_INLINE VecI operator+(VecI a, VecI b) { return {_mm512_add_epi32(a.v, b.v)}; }
FB_INLINE VecI operator-(VecI a, VecI b) { return {_mm512_sub_epi32(a.v, b.v)}; }
FB_INLINE VecI operator*(VecI a, VecI b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
FB_INLINE VecI operator&(VecI a, VecI b) { return {_mm512_and_si512(a.v, b.v)}; }
FB_INLINE VecI operator|(VecI a, VecI b) { return {_mm512_or_si512(a.v, b.v)}; }
FB_INLINE VecI operator^(VecI a, VecI b) { return {_mm512_xor_si512(a.v, b.v)}; }
template <int N> FB_INLINE VecI shift_left(VecI a) { return {_mm512_slli_epi32(a.v, N)}; }
template <int N> FB_INLINE VecI shift_right(VecI a) { return {_mm512_srli_epi32(a.v, N)}; }             // zeros come in
template <int N> FB_INLINE VecI shift_right_signed(VecI a) { return {_mm512_srai_epi32(a.v, N)}; }
FB_INLINE Mask eq(VecI a, VecI b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
FB_INLINE Mask gt(VecI a, VecI b) { return {_mm512_cmpgt_epi32_mask(a.v, b.v)}; }
FB_INLINE Mask lt_unsigned(VecI a, VecI b) { return {_mm512_cmplt_epu32_mask(a.v, b.v)}; }
FB_INLINE VecI select(Mask m, VecI a, VecI b) { return {_mm512_mask_blend_epi32(m.v, b.v, a.v)}; }
// Upper 32 bits of the unsigned 64-bit products.
FB_INLINE VecI mul_high_unsigned(VecI a, VecI b) {
  const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(a.v, b.v), 32);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  return {_mm512_mask_blend_epi32(0xaaaa, even, odd)};
}

FB_INLINE VecI min(VecI a, VecI b) { return {_mm512_min_epi32(a.v, b.v)}; }
FB_INLINE VecI max(VecI a, VecI b) { return {_mm512_max_epi32(a.v, b.v)}; }
FB_INLINE int32_t reduce_max(VecI a) { return _mm512_reduce_max_epi32(a.v); }

FB_INLINE VecI to_int(VecF a) { return {_mm512_cvtps_epi32(a.v)}; }
FB_INLINE VecF to_float(VecI a) { return {_mm512_cvtepi32_ps(a.v)}; }
FB_INLINE VecI as_int(VecF a) { return {_mm512_castps_si512(a.v)}; }
FB_INLINE VecF as_float(VecI a) { return {_mm512_castsi512_ps(a.v)}; }

// int8, uint8 or int16 in memory, int32 in lanes. Stores take lanes that fit.
FB_INLINE void store_i8(int8_t* p, VecI x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x.v)); }
FB_INLINE void store_i16(int16_t* p, VecI x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(x.v)); }
FB_INLINE void store_u8(uint8_t* p, VecI x) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x.v)); }
FB_INLINE void maskstore_u8(uint8_t* p, VecI x, Mask m) { _mm512_mask_cvtepi32_storeu_epi8(p, m.v, x.v); }
FB_INLINE VecI load_i8(const int8_t* p) { return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
