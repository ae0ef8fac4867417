// What the backward kernels read and write besides the shape.
#pragma once

namespace flashbook::cuda::attention {

struct BackwardOperands {
  const char *q, *k, *v, *d_o;       // split by heads
  const float *lse, *delta;          // (batch, heads, queries)
  float* dqkv;
};

}  // namespace flashbook::cuda::attention
