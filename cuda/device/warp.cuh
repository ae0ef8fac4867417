// Sums and maxima over a warp or a block, in a fixed order. Every lane, or thread, must take part and gets the result.
#pragma once

#include "cuda/runtime/launch.h"

namespace flashbook::cuda {

template <class T> __device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, offset));
  return value;
}

// Over a block of kThreads; `shared` holds kThreads / 32 values and may be used again after the next barrier.
template <class T> __device__ __forceinline__ T block_sum(T value, T* shared) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  T sum = shared[0];
#pragma unroll
  for (int warp = 1; warp < kThreads / 32; ++warp) sum += shared[warp];
  __syncthreads();
  return sum;
}

}  // namespace flashbook::cuda
