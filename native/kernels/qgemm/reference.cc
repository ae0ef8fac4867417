// The plain int8 product: what qgemm.h states, one loop an index.
#include "engine/step.h"
#include "kernels/qgemm/levels.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/quantise.h"

namespace flashbook {
namespace {

using gemm::Activation;
using qgemm::Problem;

float activate(Activation activation, float x, bool coarse) {
  switch (activation) {
    case Activation::relu: return scalar::relu(scalar::VecF{x}).v;
    case Activation::gelu: return coarse ? scalar::gelu_for_levels(scalar::VecF{x}).v : scalar::gelu(scalar::VecF{x}).v;
    default: return x;
  }
}

float quantise(const float* x, int64_t k, int32_t peak, int16_t* q) {
  return scalar::quantise_row(x, k, peak, [q](int64_t i, scalar::VecI lanes) { scalar::store_i16(q + i, lanes); });
}

// The factors q of row i, and the scale that they have.
float factors(const Problem& p, int64_t i, int16_t* q) {
  if (p.levels != nullptr) {
    for (int64_t k = 0; k < p.k; k++) q[k] = static_cast<int16_t>(p.levels[i * p.k + k] - p.x_affine.zero);
    return p.x_affine.scale;
  }
  const float* const x = p.x + i * p.k;
  if (p.is_static) {
    const scalar::Leveller level(p.x_affine);
    return scalar::level_row(x, p.k, p.x_affine.scale, [&](int64_t k, scalar::VecF lanes) { scalar::store_i16(q + k, level.centred(lanes)); });
  }
  return quantise(x, p.k, p.x_peaks != nullptr ? p.x_peaks[i] : scalar::row_peak(x, p.k), q);
}

int32_t magnitude_bits(float y) { return scalar::as_int(scalar::VecF{y}).v & 0x7fffffff; }

void raise_peak(int32_t* peak, int32_t bits) {   // blocks of other columns may be in the same row
  int32_t before = __atomic_load_n(peak, __ATOMIC_RELAXED);
  while (before < bits && !__atomic_compare_exchange_n(peak, &before, bits, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

int64_t packed_bytes(int64_t, int64_t) { return 0; }
void pack(const Problem&, int64_t, int64_t, void*) {}
int64_t scratch_bytes(const Problem& p) { return 2 * p.k; }

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  int16_t* const q = static_cast<int16_t*>(scratch);
  const bool coarse = p.y_levels != nullptr && p.y_affine.scale >= scalar::kCoarseStep;
  for (int64_t i = m0; i < m1; i++) {
    const float scale = factors(p, i, q);
    for (int64_t j = n0; j < n1; j++) {
      int32_t acc = 0;
      for (int64_t k = 0; k < p.k; k++) acc += int32_t{q[k]} * int32_t{p.w[j * p.k + k]};
      float y = static_cast<float>(acc) * (scale * p.w_scale[j]);
      if (p.bias != nullptr) y += p.bias[j];
      y = activate(p.activation, y, coarse);
      if (p.residual != nullptr) y += p.residual[i * p.n + j];
      if (p.y_levels != nullptr) {
        p.y_levels[i * p.n + j] = static_cast<uint8_t>(scalar::Leveller(p.y_affine)(scalar::VecF{y}).v);
        continue;
      }
      p.y[i * p.n + j] = y;
      if (p.y_peaks != nullptr) raise_peak(p.y_peaks + i, magnitude_bits(y));
    }
  }
}

void quantise_rows(const float* x, int64_t rows, int64_t k, int8_t* q, float* scale) {
  scalar::quantise_rows(x, rows, k, q, scale);
}

const QGemmKernels reference = {"qgemm.i8.plain", 1, 1, 1, packed_bytes, pack, scratch_bytes, block, quantise_rows};

}  // namespace

#if defined(FLASHBOOK_BUILT_AVX2)
namespace avx2 { extern const QGemmKernels qgemm_kernels; }
#endif
#if defined(FLASHBOOK_BUILT_AVX512)
namespace avx512 { extern const QGemmKernels qgemm_kernels; }
#endif
#if defined(FLASHBOOK_BUILT_AVX512VNNI)
namespace avx512vnni { extern const QGemmKernels qgemm_kernels; }
#endif
#if defined(FLASHBOOK_BUILT_AMX)
namespace amx { extern const QGemmKernels qgemm_kernels; }
#endif

const QGemmKernels& qgemm_table(Isa isa) {
#if defined(FLASHBOOK_BUILT_AMX)
  if (isa >= Isa::amx) return amx::qgemm_kernels;
#endif
#if defined(FLASHBOOK_BUILT_AVX512VNNI)
  if (isa >= Isa::avx512vnni) return avx512vnni::qgemm_kernels;
#endif
#if defined(FLASHBOOK_BUILT_AVX512)
  if (isa >= Isa::avx512) return avx512::qgemm_kernels;
#endif
#if defined(FLASHBOOK_BUILT_AVX2)
  if (isa >= Isa::avx2) return avx2::qgemm_kernels;
#endif
  (void)isa;
  return reference;
}

}  // namespace flashbook
