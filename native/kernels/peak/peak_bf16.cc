// Peaks of AVX-512 with BF16: vdpbf16ps, which Intel's server cores make at half the rate of float32 multiply-adds and Zen 4 at
// the double.
#include "kernels/peak/peak_loops.h"

namespace flashbook {
namespace FB_ISA {
namespace {

double bf16(int64_t rounds) {
  VecF sum[kChains];
  const __m512bh a = reinterpret_cast<__m512bh>(set1i(ones).v);
#pragma GCC unroll 12
  for (int i = 0; i < kChains; i++) sum[i] = set1(addend);
  for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) sum[i] = {_mm512_dpbf16_ps(sum[i].v, a, a)};
  }
#pragma GCC unroll 12
  for (int i = 1; i < kChains; i++) sum[0] = sum[0] + sum[i];
  float_sink = reduce_add(sum[0]);
  return 4.0 * W * kChains * static_cast<double>(rounds);
}

}  // namespace

const PeakKernels peak_kernels = {f32, bf16, int8, read, triad};

}  // namespace FB_ISA
}  // namespace flashbook
