// bf16, the upper half of a float32: sign, 8 bits of exponent, 7 of fraction. Included by kernel files after vec.h.
#pragma once

#include "simd/vec.h"

namespace flashbook {
namespace FB_ISA {
namespace {

// x rounded to bf16, half to even, as a float32. NaN stays NaN; what is larger than bf16's largest becomes infinity.
FB_INLINE VecF round_bf16(VecF x) {
  const VecI bits = as_int(x);
  const VecI odd = shift_right<16>(bits) & set1i(1);
  const VecI rounded = (bits + set1i(0x7fff) + odd) & set1i(static_cast<int32_t>(0xffff0000u));
  return select(is_nan(x), x, as_float(rounded));
}

#if defined(FB_ISA_avx512bf16) || defined(FB_ISA_amx)
// 32 bf16: low's lanes, then high's, rounded alike; but subnormal numbers become 0, as the instruction has it.
FB_INLINE __m512i pack_bf16(VecF low, VecF high) { return (__m512i)_mm512_cvtne2ps_pbh(high.v, low.v); }
#endif

}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
