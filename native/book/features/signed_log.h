// sign(x)·log(1 + |x|), for quantities with long tails: sizes, volumes, distances in ticks.
//
// Written with IEEE additions, multiplications and one division only, so that it gives the same bits with every
// compiler and C library, and without a branch, so that a loop over columns vectorises. 1 + |x| = 2^e·m with m in
// [√½, √2); log m = 2·artanh(s), s = (m − 1)/(m + 1), |s| ≤ 0.1716, by its series up to s⁹, whose remainder is below
// 1e-9. Error at most 3 units of 2⁻²⁴ of the larger of 1 and the result.
#pragma once

#include <cstdint>
#include <cstring>

namespace flashbook::features {

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline float signed_log(float x) {
  constexpr uint32_t kSign = 0x80000000u;
  constexpr uint32_t kOne = 0x3f800000u;
  constexpr uint32_t kRootHalf = 0x3f3504f3u;

  const uint32_t shifted = bits_of(1.0f + float_of(bits_of(x) & ~kSign)) - kRootHalf + kOne;
  const auto exponent = static_cast<float>(static_cast<int32_t>(shifted >> 23) - 127);
  const float m = float_of((shifted & 0x007fffffu) + kRootHalf);
  const float s = (m - 1.0f) / (m + 1.0f);
  const float t = s * s;
  const float low = 1.0f + t * (1.0f / 3);  // in pairs, so that the chain of roundings is short
  const float high = 1.0f / 5 + t * (1.0f / 7);
  const float series = low + (t * t) * (high + (t * t) * (1.0f / 9));
  const float value = exponent * 0.693147181f + 2.0f * s * series;
  return float_of(bits_of(value) | (bits_of(x) & kSign));
}

}  // namespace flashbook::features
