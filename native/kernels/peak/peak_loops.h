// The loops of peak.h over the vector types, compiled once for each instruction set.
//
// Twelve chains are more than latency × ports on any of these machines and few enough for sixteen registers. What the chains start
// from comes out of a volatile and their sum goes into one, so that nothing is computed before it runs or left out.
#pragma once

#include "kernels/peak/peak.h"
#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {

extern const PeakKernels peak_kernels;

namespace {

constexpr int W = VecF::width;
constexpr int kChains = 12;

volatile float factor = 0.999f, addend = 0.001f;
[[maybe_unused]] volatile int32_t ones = 0x01010101, int_sink;
volatile float float_sink;

double f32(int64_t rounds) {
  VecF sum[kChains];
  const VecF a = set1(factor), b = set1(addend);
#pragma GCC unroll 12
  for (int i = 0; i < kChains; i++) sum[i] = set1(addend);   // a fresh one each: equal chains would become one
  for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) sum[i] = fma(sum[i], a, b);
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; i++) sum[0] = sum[0] + sum[i];
  float_sink = reduce_add(sum[0]);
  return 2.0 * W * kChains * static_cast<double>(rounds);
}

#if !defined(FB_ISA_amx)   // which has tiles for it
#if defined(FB_ISA_avx512) || defined(FB_ISA_avx2)
// Without an instruction of its own, an exact int8 product is widened to int16: two products a lane, and an addition.
constexpr int kProducts = 2;
#if defined(FB_SIMD_512)
FB_INLINE VecI dot(VecI acc, VecI a) { return a + VecI{_mm512_madd_epi16(acc.v, a.v)}; }
#else
FB_INLINE VecI dot(VecI acc, VecI a) { return a + VecI{_mm256_madd_epi16(acc.v, a.v)}; }
#endif
#else
constexpr int kProducts = 4;
FB_INLINE VecI dot(VecI acc, VecI a) { return {_mm512_dpbusd_epi32(acc.v, a.v, a.v)}; }
#endif

double int8(int64_t rounds) {
  VecI sum[kChains];
  const VecI a = set1i(ones);
#pragma GCC unroll 12
  for (int i = 0; i < kChains; i++) sum[i] = set1i(ones);
  for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) sum[i] = dot(sum[i], a);
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; i++) sum[0] = sum[0] + sum[i];
  int_sink = reduce_max(sum[0]);
  return 2.0 * W * kProducts * kChains * static_cast<double>(rounds);
}
#endif

float read(const float* x, int64_t n) {
  VecF sum[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) sum[i] = zero();
  for (int64_t at = 0; at + 8 * W <= n; at += 8 * W) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) sum[i] = sum[i] + load(x + at + i * W);
  }
#pragma GCC unroll 8
  for (int i = 1; i < 8; i++) sum[0] = sum[0] + sum[i];
  return reduce_add(sum[0]);
}

void triad(float* a, const float* b, const float* c, int64_t n) {
  const VecF half = set1(0.5f);
  for (int64_t at = 0; at + 2 * W <= n; at += 2 * W) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) store(a + at + i * W, fma(half, load(c + at + i * W), load(b + at + i * W)));
  }
}

}  // namespace

}  // namespace FB_ISA
}  // namespace flashbook
