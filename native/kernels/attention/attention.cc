// Vectorised attention; attention.h has the formulas and the numerics. Compiled once for each instruction set.
#include "kernels/attention/backward.h"
#include "kernels/attention/forward.h"
#include "kernels/attention/last.h"

namespace flashbook {
namespace FB_ISA {

extern const AttentionKernels attention_kernels;

namespace {

int64_t forward_scratch(const AttentionRows& rows) { return rows.queries == 1 ? last_floats(rows) : forward_floats(rows); }
int64_t backward_scratch(const AttentionRows& rows) { return rows.queries == 1 ? last_floats(rows) : backward_floats(rows); }

void forward(const AttentionRows& rows, int64_t first_query, int64_t last_query, float* o, int64_t o_ld, float* lse,
             int64_t lse_ld, float* scratch) {
  if (rows.queries == 1) return rows.bf16 ? forward_last<true>(rows, o, lse, scratch) : forward_last<false>(rows, o, lse, scratch);
  const ForwardScratch s(scratch, rows);
  const int64_t block = query_block(rows);
  for (int64_t query = first_query; query < last_query; query += block) {
    forward_block(rows, query, least(last_query, query + block), o, o_ld, lse, lse_ld, s);
  }
}

void backward(const AttentionRows& rows, const float* d_o, const float* o, int64_t o_ld, const float* lse, int64_t lse_ld,
              float* dq, float* dk, float* dv, float* scratch) {
  if (rows.queries == 1) {
    const auto last = rows.bf16 ? backward_last<true> : backward_last<false>;
    return last(rows, d_o, o, lse, dq, dk, dv, scratch);
  }
  backward_all(rows, d_o, o, o_ld, lse, lse_ld, dq, dk, dv, scratch);
}

}  // namespace

const AttentionKernels attention_kernels = {forward_scratch, backward_scratch, forward, backward};

}  // namespace FB_ISA
}  // namespace flashbook
