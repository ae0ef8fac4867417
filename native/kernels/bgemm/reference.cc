// Product of operands rounded to bf16, plain.
#include "kernels/bgemm/bgemm.h"
#include "kernels/dispatch.h"
#include "kernels/gemm/plain_product.h"
#include "simd/bf16.h"

namespace flashbook {
namespace {

void block(const gemm::Problem& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1, void*) {
  plain_product(p, m0, m1, n0, n1, [](float x) { return scalar::round_bf16({x}).v; });
}

const GemmKernels reference = {"bgemm.bf16.plain", 1, 1, INT64_MAX, 1, false, no_packed_bytes, pack_nothing, no_scratch, block};

}  // namespace

FLASHBOOK_BF16_KERNEL_TABLE(GemmKernels, bgemm)

}  // namespace flashbook
