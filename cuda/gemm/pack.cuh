// Operands of the tensor-core products: float32 in any of the two orders to rows with K contiguous, rounded to the product's type and
// padded with zeros to whole stages of 64 bytes. One pass over memory that the rounding needs anyway; the transposition comes with it.
#pragma once

#include "cuda/device/mma.cuh"

namespace flashbook::cuda::gemm {

// A 4-byte word of packed values, and the words of four.
template <class T>
struct Word {
  static constexpr int kValues = 2;
  using OfFour = uint2;
  static __device__ __forceinline__ uint32_t of(const float (&x)[2]) { return T::pair(x[0], x[1]); }
  static __device__ __forceinline__ uint2 of_four(float4 x) { return {T::pair(x.x, x.y), T::pair(x.z, x.w)}; }
};
template <>
struct Word<Tf32> {
  static constexpr int kValues = 1;
  using OfFour = uint4;
  static __device__ __forceinline__ uint32_t of(const float (&x)[1]) { return Tf32::round(x[0]); }
  static __device__ __forceinline__ uint4 of_four(float4 x) {
    return {Tf32::round(x.x), Tf32::round(x.y), Tf32::round(x.z), Tf32::round(x.w)};
  }
};

// Rows contiguous: x is rows × k, row stride k. One warp a row, consecutive lanes four consecutive values.
template <class T>
__global__ void __launch_bounds__(256) pack_rows(const float* x, int64_t rows, int k, uint32_t* packed, int words) {
  const int64_t row = int64_t{blockIdx.x} * 8 + threadIdx.x / 32;
  if (row >= rows) return;
  const float* from = x + row * k;
  const bool aligned = k % 4 == 0 && reinterpret_cast<uintptr_t>(x) % 16 == 0;
  using Four = typename Word<T>::OfFour;
  Four* to = reinterpret_cast<Four*>(packed + row * words);
  const int fours = words * Word<T>::kValues / 4;
  for (int i = threadIdx.x % 32; i < fours; i += 32) {
    const int at = i * 4;
    float4 values = {};
    if (aligned) {
      if (at < k) values = *reinterpret_cast<const float4*>(from + at);
    } else {
      if (at < k) values.x = from[at];
      if (at + 1 < k) values.y = from[at + 1];
      if (at + 2 < k) values.z = from[at + 2];
      if (at + 3 < k) values.w = from[at + 3];
    }
    to[i] = Word<T>::of_four(values);
  }
}

// Columns contiguous: x is k × rows, row stride `rows`. A block turns 32 words × 32 rows through shared memory.
template <class T>
__global__ void __launch_bounds__(256) pack_columns(const float* x, int64_t rows, int64_t k, uint32_t* packed, int64_t words) {
  constexpr int kValues = Word<T>::kValues;
  __shared__ uint32_t tile[32][33];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t row0 = int64_t{blockIdx.x} * 32, word0 = int64_t{blockIdx.y} * 32;
#pragma unroll
  for (int i = warp; i < 32; i += 8) {
    float values[kValues] = {};
#pragma unroll
    for (int j = 0; j < kValues; j++) {
      const int64_t at = (word0 + i) * kValues + j;
      if (at < k && row0 + lane < rows) values[j] = x[at * rows + row0 + lane];
    }
    tile[i][lane] = Word<T>::of(values);
  }
  __syncthreads();
#pragma unroll
  for (int i = warp; i < 32; i += 8) {
    if (row0 + i < rows && word0 + lane < words) packed[(row0 + i) * words + word0 + lane] = tile[lane][i];
  }
}

}  // namespace flashbook::cuda::gemm
