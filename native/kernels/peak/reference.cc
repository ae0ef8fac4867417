// The peaks of plain C++, whatever the compiler makes of it for the baseline of the machine.
#include "kernels/peak/peak.h"

namespace flashbook {
namespace {

constexpr int kLanes = 32;
volatile float factor = 0.999f, addend = 0.001f, float_sink;
volatile int32_t one = 1, int_sink;

double f32(int64_t rounds) {
  float sum[kLanes] = {};
  const float a = factor, b = addend;
  for (int64_t r = 0; r < rounds; r++) {
    for (int i = 0; i < kLanes; i++) sum[i] = sum[i] * a + b;
  }
  for (int i = 0; i < kLanes; i++) float_sink = sum[i];
  return 2.0 * kLanes * static_cast<double>(rounds);
}

double int8(int64_t rounds) {
  int32_t sum[kLanes] = {};
  const int32_t a = one;
  for (int64_t r = 0; r < rounds; r++) {
    for (int i = 0; i < kLanes; i++) sum[i] = static_cast<int16_t>(sum[i]) * a + a;
  }
  for (int i = 0; i < kLanes; i++) int_sink = sum[i];
  return 2.0 * kLanes * static_cast<double>(rounds);
}

float read(const float* x, int64_t n) {
  float sum[kLanes] = {};
  for (int64_t at = 0; at + kLanes <= n; at += kLanes) {
    for (int i = 0; i < kLanes; i++) sum[i] += x[at + i];
  }
  for (int i = 1; i < kLanes; i++) sum[0] += sum[i];
  return sum[0];
}

void triad(float* a, const float* b, const float* c, int64_t n) {
  for (int64_t i = 0; i < n; i++) a[i] = b[i] + 0.5f * c[i];
}

const PeakKernels reference = {f32, nullptr, int8, read, triad};

}  // namespace

#if defined(FLASHBOOK_BUILT_AVX2)
namespace avx2 { extern const PeakKernels peak_kernels; }
#endif
#if defined(FLASHBOOK_BUILT_AVX512)
namespace avx512 { extern const PeakKernels peak_kernels; }
#endif
#if defined(FLASHBOOK_BUILT_AVX512VNNI)
namespace avx512vnni { extern const PeakKernels peak_kernels; }
#endif
#if defined(FLASHBOOK_BUILT_AVX512BF16)
namespace avx512bf16 { extern const PeakKernels peak_kernels; }
#endif
#if defined(FLASHBOOK_BUILT_AMX)
namespace amx { extern const PeakKernels peak_kernels; }
#endif

const PeakKernels& peak_table(Isa isa) {
#if defined(FLASHBOOK_BUILT_AMX)
  if (isa >= Isa::amx) return amx::peak_kernels;
#endif
#if defined(FLASHBOOK_BUILT_AVX512BF16)
  if (isa >= Isa::avx512bf16) return avx512bf16::peak_kernels;
#endif
#if defined(FLASHBOOK_BUILT_AVX512VNNI)
  if (isa >= Isa::avx512vnni) return avx512vnni::peak_kernels;
#endif
#if defined(FLASHBOOK_BUILT_AVX512)
  if (isa >= Isa::avx512) return avx512::peak_kernels;
#endif
#if defined(FLASHBOOK_BUILT_AVX2)
  if (isa >= Isa::avx2) return avx2::peak_kernels;
#endif
  (void)isa;
  return reference;
}

}  // namespace flashbook
