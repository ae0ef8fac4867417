// The matrix product of gemm.h with bf16 operands: A and B are float32 in memory and are rounded to bf16, half to even, where they
// are packed; products are exact in float32 and summed in float32. Bias, activation, residual and result are float32.
//
// Numerics. Plain sets sum as gemm.h says. AVX512_BF16 sums chunks of 512 products, each one chain in a fixed order in steps of two; AMX
// one chain that begins with the bias. Their instructions take subnormal operands for 0 and flush subnormal sums to 0. Order and length
// depend on K alone: the same bits for any split. NaN stays NaN; a finite operand beyond bf16's range becomes infinity.
#pragma once

#include "kernels/gemm/gemm.h"

namespace flashbook {

const GemmKernels& bgemm_table(Isa isa);

}  // namespace flashbook
