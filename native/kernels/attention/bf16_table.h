// The kernels of a set that multiplies bf16: those of bf16_forward.h and bf16_backward.h, and those of avx512 for all else.
#pragma once

#include "kernels/attention/bf16_backward.h"
#include "kernels/attention/bf16_forward.h"

namespace flashbook {
namespace avx512 {
extern const AttentionKernels attention_kernels;
}
namespace FB_ISA {
namespace {
namespace bf16 {

FB_INLINE bool serves(const AttentionRows& rows) { return rows.bf16 && rows.queries > 1 && !rows.drops(); }

template <class Multiplier> struct Table {
  static int64_t forward_scratch(const AttentionRows& rows) {
    return serves(rows) ? forward_floats(rows) : avx512::attention_kernels.forward_scratch(rows);
  }
  static int64_t backward_scratch(const AttentionRows& rows) {
    return serves(rows) ? backward_floats(rows) : avx512::attention_kernels.backward_scratch(rows);
  }
  static void forward(const AttentionRows& rows, int64_t first, int64_t last, float* o, int64_t o_ld, float* lse, int64_t lse_ld,
                      float* scratch) {
    if (!serves(rows)) return avx512::attention_kernels.forward(rows, first, last, o, o_ld, lse, lse_ld, scratch);
    [[maybe_unused]] const Multiplier multiplier;
    bf16::forward<Multiplier>(rows, first, last, o, o_ld, lse, lse_ld, scratch);
  }
  static void backward(const AttentionRows& rows, const float* d_o, const float* o, int64_t o_ld, const float* lse, int64_t lse_ld,
                       float* dq, float* dk, float* dv, float* scratch) {
    if (!serves(rows)) return avx512::attention_kernels.backward(rows, d_o, o, o_ld, lse, lse_ld, dq, dk, dv, scratch);
    [[maybe_unused]] const Multiplier multiplier;
    bf16::backward<Multiplier>(rows, d_o, o, o_ld, lse, lse_ld, dq, dk, dv, scratch);
  }
};

template <class Multiplier> constexpr AttentionKernels table() {
  return {Table<Multiplier>::forward_scratch, Table<Multiplier>::backward_scratch, Table<Multiplier>::forward, Table<Multiplier>::backward};
}

}  // namespace bf16
}  // namespace
}  // namespace FB_ISA
}  // namespace flashbook
