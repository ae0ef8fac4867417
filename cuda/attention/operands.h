// What the backward kernels read and write besides the shape.
#pragma once

namespace flashbook::cuda::attention {

struct BackwardOperands {
  const char *q, *k, *v, *d_o;       // split by heads
  const float *offset, *delta;       // (batch, heads, queries): −lse·log2(e), −∞ where lse is; rowsum(do∘o)
  float* dqkv;
};

}  // namespace flashbook::cuda::attention
