// VecF, VecI, Mask over one lane: plain C++. Included by vec.h, which documents the operations.
#pragma once

#include <cmath>
#include <cstring>

namespace flashbook {
namespace FB_ISA {
namespace {

struct VecF { static constexpr int width = 1; float v; };
struct VecI { static constexpr int width = 1; int32_t v; };
struct Mask { bool v; };

FB_INLINE Mask first(int n) { return {n > 0}; }
FB_INLINE Mask operator&(Mask a, Mask b) { return {a.v && b.v}; }
FB_INLINE Mask operator|(Mask a, Mask b) { return {a.v || b.v}; }
FB_INLINE Mask not_(Mask a) { return {!a.v}; }
FB_INLINE bool any(Mask a) { return a.v; }
FB_INLINE bool all(Mask a) { return a.v; }

FB_INLINE VecF set1(float x) { return {x}; }
FB_INLINE VecF zero() { return {0.0f}; }
FB_INLINE VecF load(const float* p) { return {*p}; }
FB_INLINE void store(float* p, VecF x) { *p = x.v; }
FB_INLINE VecF maskload(const float* p, Mask m) { return {m.v ? *p : 0.0f}; }
FB_INLINE void maskstore(float* p, VecF x, Mask m) { if (m.v) *p = x.v; }
FB_INLINE VecF operator+(VecF a, VecF b) { return {a.v + b.v}; }
FB_INLINE VecF operator-(VecF a, VecF b) { return {a.v - b.v}; }
FB_INLINE VecF operator*(VecF a, VecF b) { return {a.v * b.v}; }
FB_INLINE VecF operator/(VecF a, VecF b) { return {a.v / b.v}; }
FB_INLINE VecF operator-(VecF a) { return {-a.v}; }
FB_INLINE VecF fma(VecF a, VecF b, VecF c) { return {__builtin_fmaf(a.v, b.v, c.v)}; }
FB_INLINE VecF fnma(VecF a, VecF b, VecF c) { return {__builtin_fmaf(-a.v, b.v, c.v)}; }
FB_INLINE VecF min(VecF a, VecF b) { return {a.v < b.v ? a.v : b.v}; }
FB_INLINE VecF max(VecF a, VecF b) { return {a.v > b.v ? a.v : b.v}; }
FB_INLINE VecF sqrt(VecF a) { return {__builtin_sqrtf(a.v)}; }
FB_INLINE VecF abs(VecF a) { return {__builtin_fabsf(a.v)}; }
FB_INLINE VecF copysign(VecF magnitude, VecF sign) { return {__builtin_copysignf(magnitude.v, sign.v)}; }
FB_INLINE Mask lt(VecF a, VecF b) { return {a.v < b.v}; }
FB_INLINE Mask le(VecF a, VecF b) { return {a.v <= b.v}; }
FB_INLINE Mask gt(VecF a, VecF b) { return {a.v > b.v}; }
FB_INLINE Mask ge(VecF a, VecF b) { return {a.v >= b.v}; }
FB_INLINE Mask eq(VecF a, VecF b) { return {a.v == b.v}; }
FB_INLINE Mask is_nan(VecF a) { return {a.v != a.v}; }
FB_INLINE VecF select(Mask m, VecF a, VecF b) { return m.v ? a : b; }
FB_INLINE VecF round_nearest(VecF a) { return {__builtin_rintf(a.v)}; }
FB_INLINE float reduce_add(VecF a) { return a.v; }
FB_INLINE float reduce_max(VecF a) { return a.v; }
FB_INLINE float reduce_min(VecF a) { return a.v; }

// int32 lanes; arithmetic wraps as the vector instructions do.
FB_INLINE VecI wrapped(uint32_t x) { return {static_cast<int32_t>(x)}; }
FB_INLINE uint32_t bits_of(VecI a) { return static_cast<uint32_t>(a.v); }
FB_INLINE VecI set1i(int32_t x) { return {x}; }
FB_INLINE VecI lane_index() { return {0}; }
FB_INLINE VecI load(const int32_t* p) { return {*p}; }
FB_INLINE void store(int32_t* p, VecI x) { *p = x.v; }
FB_INLINE VecI maskload(const int32_t* p, Mask m) { return {m.v ? *p : 0}; }
FB_INLINE void maskstore(int32_t* p, VecI x, Mask m) { if (m.v) *p = x.v; }
FB_INLINE VecI operator+(VecI a, VecI b) { return wrapped(bits_of(a) + bits_of(b)); }
FB_INLINE VecI operator-(VecI a, VecI b) { return wrapped(bits_of(a) - bits_of(b)); }
FB_INLINE VecI operator*(VecI a, VecI b) { return wrapped(bits_of(a) * bits_of(b)); }
FB_INLINE VecI operator&(VecI a, VecI b) { return {a.v & b.v}; }
FB_INLINE VecI operator|(VecI a, VecI b) { return {a.v | b.v}; }
FB_INLINE VecI operator^(VecI a, VecI b) { return {a.v ^ b.v}; }
template <int N> FB_INLINE VecI shift_left(VecI a) { return wrapped(bits_of(a) << N); }
template <int N> FB_INLINE VecI shift_right(VecI a) { return wrapped(bits_of(a) >> N); }                 // zeros come in
template <int N> FB_INLINE VecI shift_right_signed(VecI a) { return {a.v >> N}; }
FB_INLINE Mask eq(VecI a, VecI b) { return {a.v == b.v}; }
FB_INLINE Mask gt(VecI a, VecI b) { return {a.v > b.v}; }
FB_INLINE Mask lt_unsigned(VecI a, VecI b) { return {bits_of(a) < bits_of(b)}; }
FB_INLINE VecI select(Mask m, VecI a, VecI b) { return m.v ? a : b; }
FB_INLINE VecI mul_high_unsigned(VecI a, VecI b) {
  return wrapped(static_cast<uint32_t>((static_cast<uint64_t>(bits_of(a)) * bits_of(b)) >> 32));
}

FB_INLINE VecI min(VecI a, VecI b) { return {a.v < b.v ? a.v : b.v}; }
FB_INLINE VecI max(VecI a, VecI b) { return {a.v > b.v ? a.v : b.v}; }
FB_INLINE int32_t reduce_max(VecI a) { return a.v; }

// As cvtps2dq: what does not fit, and NaN, becomes INT32_MIN.
FB_INLINE VecI to_int(VecF a) {
  const float r = __builtin_rintf(a.v);
  return {r >= -2147483648.0f && r < 2147483648.0f ? static_cast<int32_t>(r) : INT32_MIN};
}
FB_INLINE VecF to_float(VecI a) { return {static_cast<float>(a.v)}; }
FB_INLINE VecI as_int(VecF a) { int32_t i; std::memcpy(&i, &a.v, 4); return {i}; }
FB_INLINE VecF as_float(VecI a) { float f; std::memcpy(&f, &a.v, 4); return {f}; }

// int8, uint8 or int16 in memory, int32 in lanes. Stores take lanes that fit.
FB_INLINE void store_i8(int8_t* p, VecI x) { *p = static_cast<int8_t>(x.v); }
FB_INLINE void store_i16(int16_t* p, VecI x) { *p = static_cast<int16_t>(x.v); }
FB_INLINE void store_u8(uint8_t* p, VecI x) { *p = static_cast<uint8_t>(x.v); }
FB_INLINE void maskstore_u8(uint8_t* p, VecI x, Mask m) { if (m.v) *p = static_cast<uint8_t>(x.v); }
FB_INLINE VecI load_i8(const int8_t* p) { return {*p}; }

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
