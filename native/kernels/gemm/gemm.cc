// Float32 product for AVX2 and AVX-512; gemm_blocks.h has the idea and the code.
#include "kernels/gemm/gemm_blocks.h"

namespace flashbook {
namespace FB_ISA {

extern const GemmKernels gemm_kernels;
const GemmKernels gemm_kernels = {
    W == 16 ? "gemm.f32.panels32.chunk512" : "gemm.f32.panels16.chunk512",
    kTileRows, kTileColumns, kBlockColumns, W, false, packed_b_bytes, pack_b, scratch_bytes, block};

}  // namespace FB_ISA
}  // namespace flashbook
