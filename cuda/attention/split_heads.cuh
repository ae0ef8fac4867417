// Operands as the attention kernels read them: [part][batch][head][row][kDim], kDim the head size padded with zeros to 16, 32, 64 or 128,
// in the precision of the products. One pass over memory, so that the tiles can come by aligned 16-byte cp.async.
#pragma once

#include "cuda/attention/rows.cuh"
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

// Elements i … i+3 of a head's row, zeros past head_dim.
__device__ __forceinline__ float4 four_of(const float* row, int i, int head_dim, bool aligned) {
  if (aligned) return i < head_dim ? *reinterpret_cast<const float4*>(row + i) : float4{0.0f, 0.0f, 0.0f, 0.0f};
  return {i < head_dim ? row[i] : 0.0f, i + 1 < head_dim ? row[i + 1] : 0.0f, i + 2 < head_dim ? row[i + 2] : 0.0f,
          i + 3 < head_dim ? row[i + 3] : 0.0f};
}

// Rows of all three parts that a block takes.
template <int kDim>
constexpr int kSplitRows = 256 / (kDim / 4) * 4;

// qkv (batch, steps, 3·heads·head_dim) → 3 × [batch][head][row][kDim]; of q only the last `queries` rows. With q_apart, the one query
// (batch, heads·head_dim), the others are (batch, steps, 2·heads·head_dim). blockIdx: rows, part and head, batch.
template <class T, int kDim>
__global__ void __launch_bounds__(256) split_heads(const float* qkv, const float* q_apart, int64_t batch, int heads, int steps,
                                                   int queries, int head_dim, char* q, char* kv) {
  constexpr int kFours = kDim / 4, kStep = 256 / kFours;
  const int part = blockIdx.y / heads, head = blockIdx.y % heads, i = threadIdx.x % kFours * 4;
  const int rows = part == 0 ? queries : steps, row0 = blockIdx.x * kSplitRows<kDim> + threadIdx.x / kFours;
  const int64_t width = int64_t{heads} * head_dim;
  const bool apart = q_apart != nullptr;
  const int64_t pitch = apart ? (part == 0 ? width : 2 * width) : 3 * width;
  const bool aligned = head_dim % 4 == 0;
  for (int64_t b = blockIdx.z; b < batch; b += gridDim.z) {
    const float* from = apart && part == 0 ? q_apart + (b + row0) * pitch + head * head_dim
                                           : qkv + (b * steps + steps - rows + row0) * pitch + ((part - apart) * heads + head) * head_dim;
    const int64_t line = (part == 2 ? batch * heads : 0) + b * heads + head;
    char* to = (part == 0 ? q : kv) + ((line * rows + row0) * kDim + i) * T::kBytes;
#pragma unroll
    for (int r = 0; r < 4; r++) {
      if (row0 + r * kStep >= rows) break;
      const float4 x = four_of(from + r * kStep * pitch, i, head_dim, aligned);
      if constexpr (T::kBytes == 4) {
        *reinterpret_cast<float4*>(to + r * kStep * kDim * 4) = x;
      } else {
        *reinterpret_cast<uint2*>(to + r * kStep * kDim * 2) = {T::pair(x.x, x.y), T::pair(x.z, x.w)};
      }
    }
  }
}

// do (batch, queries, D) → [batch][head][query][kDim], δ = rowsum(do∘o), and −lse·log2(e). One warp a row.
template <class T, int kDim>
__global__ void __launch_bounds__(256) split_gradient(const float* d_o, const float* o, const float* lse, int64_t batch,
                                                      int heads, int queries, int head_dim, char* split, float* delta,
                                                      float* offset) {
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
  if (lane == 0) {
    delta[line] = sum;
    offset[line] = lse[line] == -INFINITY ? -INFINITY : -lse[line] * kLog2E;
  }
}

}  // namespace flashbook::cuda::attention
