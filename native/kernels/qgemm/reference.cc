// The plain int8 product: what qgemm.h states, one loop an index.
#include "engine/step.h"
#include "kernels/qgemm/qgemm.h"
#include "kernels/qgemm/quantise.h"

namespace flashbook {
namespace {

using gemm::Activation;
using qgemm::Problem;

float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::relu: return scalar::relu(scalar::VecF{x}).v;
    case Activation::gelu: return scalar::gelu(scalar::VecF{x}).v;
    default: return x;
  }
}

float quantise(const float* x, int64_t k, int8_t* q) {
  return scalar::quantise_row(x, k, [q](int64_t i, scalar::VecI lanes) { scalar::store_i8(q + i, lanes); });
}

int64_t packed_bytes(int64_t, int64_t) { return 0; }
void pack(const Problem&, int64_t, int64_t, void*) {}
int64_t scratch_bytes(const Problem& p) { return p.k; }

void block(const Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void* scratch) {
  int8_t* const q = static_cast<int8_t*>(scratch);
  for (int64_t i = m0; i < m1; i++) {
    const float scale = quantise(p.x + i * p.k, p.k, q);
    for (int64_t j = n0; j < n1; j++) {
      int32_t acc = 0;
      for (int64_t k = 0; k < p.k; k++) acc += int32_t{q[k]} * int32_t{p.w[j * p.k + k]};
      float y = static_cast<float>(acc) * (scale * p.w_scale[j]);
      if (p.bias != nullptr) y += p.bias[j];
      y = activate(p.activation, y);
      if (p.residual != nullptr) y += p.residual[i * p.n + j];
      p.y[i * p.n + j] = y;
    }
  }
}

void quantise_rows(const float* x, int64_t rows, int64_t k, int8_t* q, float* scale) {
  for (int64_t i = 0; i < rows; i++) scale[i] = quantise(x + i * k, k, q + i * k);
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
