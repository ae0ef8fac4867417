// Product of bf16 operands for machines without bf16 arithmetic, AVX2 and AVX-512: operands are rounded as they are copied, and the
// float32 tiles do the rest. As fast as float32, less the rounding.
#define FB_GEMM_BF16 1
#include "kernels/bgemm/bgemm.h"
#include "kernels/gemm/gemm_blocks.h"

namespace flashbook {
namespace FB_ISA {

extern const GemmKernels bgemm_kernels;
const GemmKernels bgemm_kernels = {
    W == 16 ? "bgemm.f32.panels32.chunk512" : "bgemm.f32.panels16.chunk512",
    kTileRows, kTileColumns, kBlockColumns, W, false, packed_b_bytes, pack_b, scratch_bytes, block};

}  // namespace FB_ISA
}  // namespace flashbook
