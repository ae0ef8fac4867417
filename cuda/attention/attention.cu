// The calls of attention.h: the operands are split by heads into the workspace, then the kernels of the precision run.
#include "cuda/attention/attention.h"

#include <algorithm>
#include <cmath>

#include "cuda/attention/launch.h"
#include "cuda/attention/split_heads.cuh"

namespace flashbook::cuda::attention {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
size_t aligned(int64_t bytes) { return static_cast<size_t>(ceil_div(bytes, 256) * 256); }

int padded_dim(int head_dim) { return head_dim <= 16 ? 16 : head_dim <= 32 ? 32 : head_dim <= 64 ? 64 : 128; }

Shape shape_of(const Problem& p) {
  Shape shape = {p.heads, p.steps, p.queries, p.head_dim, static_cast<float>(1.0 / std::sqrt(static_cast<double>(p.head_dim))),
                 p.patterns};
  for (int head = 0; p.patterns.per_head && head < p.heads; head++) {   // beyond `steps` they say the same
    shape.patterns.window[head] = std::min(p.patterns.window[head], p.steps);
    shape.patterns.stride[head] = std::min(p.patterns.stride[head], p.steps);
  }
  return shape;
}

// Bytes of rows of all heads, in the precision of the products.
size_t row_bytes(const Problem& p, int64_t rows) {
  return aligned(p.batch * p.heads * rows * padded_dim(p.head_dim) * (p.precision == Precision::f32 ? 4 : 2));
}

// Bytes of one float32 a query and head.
size_t value_bytes(const Problem& p) { return aligned(p.batch * p.heads * p.queries * 4); }

// Calls `call` with the type and the padded head size.
template <class Call>
cudaError_t with_type(const Problem& p, Call call) {
  return with_dim(padded_dim(p.head_dim), [&](auto dim) {
    switch (p.precision) {
      case Precision::bf16: return call(Bf16(), dim);
      case Precision::f16: return call(F16(), dim);
      default: return call(F32(), dim);
    }
  });
}

struct Split { char *q, *kv, *end; };

// k and v lie one behind the other without a gap.
cudaError_t split_qkv(const Problem& p, void* workspace, Split& split, cudaStream_t stream) {
  split.q = static_cast<char*>(workspace);
  split.kv = split.q + row_bytes(p, p.queries);
  split.end = split.kv + row_bytes(p, 2 * int64_t{p.steps});
  return with_type(p, [&](auto type, auto dim) {
    constexpr int kDim = decltype(dim)::value;
    const dim3 grid(static_cast<unsigned>(ceil_div(p.steps, kSplitRows<kDim>)), static_cast<unsigned>(3 * p.heads),
                    static_cast<unsigned>(std::min<int64_t>(p.batch, 65535)));
    split_heads<decltype(type), kDim><<<grid, 256, 0, stream>>>(p.qkv, p.q, p.batch, p.heads, p.steps, p.queries, p.head_dim,
                                                                split.q, split.kv);
    return cudaGetLastError();
  });
}

const char* v_of(const Problem& p, const Split& split) {
  return split.kv + p.batch * p.heads * p.steps * padded_dim(p.head_dim) * (p.precision == Precision::f32 ? 4 : 2);
}

bool supported(const Problem& p) {
  return p.head_dim >= 1 && p.head_dim <= kMaxHeadDim && (p.queries == 1 || p.queries == p.steps) &&
         (p.q == nullptr || p.queries == 1) && p.precision != Precision::tf32 && p.heads <= 65535 / 3 && (!p.patterns.per_head || p.heads <= kMaxPatternHeads);
}

}  // namespace

size_t forward_workspace_bytes(const Problem& p) { return row_bytes(p, p.queries) + row_bytes(p, 2 * int64_t{p.steps}); }

size_t backward_workspace_bytes(const Problem& p) {
  return forward_workspace_bytes(p) + row_bytes(p, p.queries) + 2 * value_bytes(p);
}

cudaError_t forward(const Problem& p, void* workspace, cudaStream_t stream) {
  if (!supported(p)) return cudaErrorInvalidValue;
  if (p.batch == 0 || p.steps == 0) return cudaSuccess;
  Split split;
  if (const cudaError_t error = split_qkv(p, workspace, split, stream)) return error;
  const ForwardLaunch launch = {shape_of(p), p.batch, padded_dim(p.head_dim), split.q, split.kv, v_of(p, split), p.o, p.lse};
  return p.precision == Precision::f32 ? launch_forward_f32(launch, stream) : launch_forward(p.precision, launch, stream);
}

cudaError_t backward(const Problem& p, void* workspace, cudaStream_t stream) {
  if (!supported(p)) return cudaErrorInvalidValue;
  if (p.batch == 0 || p.steps == 0) return cudaSuccess;
  Split split;
  if (const cudaError_t error = split_qkv(p, workspace, split, stream)) return error;
  char* d_o = split.end;
  char* values = d_o + row_bytes(p, p.queries);
  float* delta = reinterpret_cast<float*>(values);
  float* offset = reinterpret_cast<float*>(values + value_bytes(p));
  const cudaError_t error = with_type(p, [&](auto type, auto dim) {
    const auto blocks = static_cast<unsigned>(ceil_div(p.batch * p.heads * p.queries, 8));
    split_gradient<decltype(type), decltype(dim)::value><<<blocks, 256, 0, stream>>>(p.d_o, p.o, p.lse, p.batch, p.heads,
                                                                                     p.queries, p.head_dim, d_o, delta, offset);
    return cudaGetLastError();
  });
  if (error != cudaSuccess) return error;
  const BackwardOperands operands = {split.q, split.kv, v_of(p, split), d_o, offset, delta, p.dqkv};
  const BackwardLaunch launch = {shape_of(p), p.batch, padded_dim(p.head_dim), operands};
  return p.precision == Precision::f32 ? launch_backward_f32(launch, stream) : launch_backward(p.precision, launch, stream);
}

}  // namespace flashbook::cuda::attention
