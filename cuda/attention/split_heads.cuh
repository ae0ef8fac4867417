// Operands as the attention kernels read them: [part][batch][head][row][kDim], kDim the head size padded with zeros to 16, 32, 64 or 128,
// in the precision of the products. One pass over memory, so that the tiles can come by aligned 16-byte cp.async.
#pragma once

#include "cuda/device/mma.cuh"

namespace flashbook::cuda::attention {

// float32 for the path without tensor cores.
struct F32 {
  static constexpr int kBytes = 4;
};

// Stores two values and returns them as they were rounded.
template <class T>
__device__ __forceinline__ float2 put_pair(char* to, int64_t pair, float2 x) {
  if constexpr (T::kBytes == 4) {
    reinterpret_cast<float2*>(to)[pair] = x;
    return x;
  } else {
    const uint32_t word = T::pair(x.x, x.y);
    reinterpret_cast<uint32_t*>(to)[pair] = word;
    return {T::low(word), T::high(word)};
  }
}

// Elements i and i+1 of a head's row, zeros past head_dim.
__device__ __forceinline__ float2 pair_of(const float* row, int i, int head_dim) {
  if (head_dim % 2 == 0) return i < head_dim ? *reinterpret_cast<const float2*>(row + i) : float2{0.0f, 0.0f};
  return {i < head_dim ? row[i] : 0.0f, i + 1 < head_dim ? row[i + 1] : 0.0f};
}

// x (batch, steps, parts·heads·head_dim) → parts × [batch][head][row][kDim]; of the first part of three only the last `queries` rows.
template <class T, int kDim>
__global__ void __launch_bounds__(256) split_heads(const float* x, int64_t batch, int heads, int steps, int queries, int head_dim,
                                                   int parts, char* q, char* kv) {
  const int part = blockIdx.y;
  const bool is_query = parts == 3 && part == 0;
  const int rows = is_query ? queries : steps;
  const int64_t pairs = batch * heads * rows * (kDim / 2);
  const int64_t at = int64_t{blockIdx.x} * 256 + threadIdx.x;
  if (at >= pairs) return;
  const int i = static_cast<int>(at % (kDim / 2)) * 2;
  const int64_t line = at / (kDim / 2);
  const int row = static_cast<int>(line % rows) + steps - rows, head = static_cast<int>(line / rows % heads);
  const int64_t b = line / rows / heads;
  const float2 pair = pair_of(x + ((b * steps + row) * parts + part) * heads * head_dim + head * head_dim, i, head_dim);
  char* to = is_query ? q : kv + (parts == 3 ? part - 1 : part) * batch * heads * steps * kDim * T::kBytes;
  put_pair<T>(to, at, pair);
}

// do (batch, queries, D) → [batch][head][query][kDim], and δ = rowsum(do∘o). One warp a row.
template <class T, int kDim>
__global__ void __launch_bounds__(256) split_gradient(const float* d_o, const float* o, int64_t batch, int heads, int queries,
                                                      int head_dim, char* split, float* delta) {
  const int64_t line = int64_t{blockIdx.x} * 8 + threadIdx.x / 32;   // (batch, head, query)
  if (line >= batch * heads * queries) return;
  const int lane = threadIdx.x % 32;
  const int64_t b = line / queries / heads, query = line % queries;
  const int64_t at = ((b * queries + query) * heads + line / queries % heads) * head_dim;
  float sum = 0.0f;
  for (int i = lane * 2; i < kDim; i += 64) {
    const float2 gradient = put_pair<T>(split, line * (kDim / 2) + i / 2, pair_of(d_o + at, i, head_dim));
    const float2 out = pair_of(o + at, i, head_dim);
    sum = fmaf(gradient.x, out.x, fmaf(gradient.y, out.y, sum));
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (lane == 0) delta[line] = sum;
}

}  // namespace flashbook::cuda::attention
