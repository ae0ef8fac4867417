#include "cuda/embedding/embedding.h"

#include "cuda/device/map.cuh"

namespace flashbook::cuda::embedding {
namespace {

constexpr int kPerLane = 4, kTile = 32 * kPerLane, kWarps = kThreads / 32;

template <class T> __device__ __forceinline__ T not_a_number();
template <> __device__ __forceinline__ float not_a_number<float>() { return __int_as_float(0x7fc00000); }
template <> __device__ __forceinline__ float4 not_a_number<float4>() {
  const float nan = not_a_number<float>();
  return make_float4(nan, nan, nan, nan);
}

// T is float4 or float; columns and n in T.
template <class T>
__global__ void __launch_bounds__(kThreads) lookup_rows(const T* __restrict__ table, const int32_t* __restrict__ indices, T* y,
                                                        int64_t count, int64_t columns, int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    const int64_t index = indices[i / columns];
    T value = not_a_number<T>();
    if (index >= 0 && index < count) value = table[index * columns + i % columns];
    y[i] = value;
  }
}

__global__ void __launch_bounds__(kThreads) sum_positions(const float* __restrict__ dy, const int32_t* __restrict__ indices,
                                                          float* dtable, int64_t count, int64_t positions, int64_t columns,
                                                          int64_t padding) {
  const int lane = threadIdx.x % 32;
  const int64_t tiles = (columns + kTile - 1) / kTile, stride = static_cast<int64_t>(gridDim.x) * kWarps;
  for (int64_t item = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32; item < count * tiles; item += stride) {
    const int64_t row = item / tiles, first = item % tiles * kTile + lane;
    float sum[kPerLane] = {};
    for (int64_t base = 0; row != padding && base < positions; base += 32) {
      const int64_t own = base + lane;
      unsigned matches = __ballot_sync(0xffffffffu, own < positions && indices[own] == row);
      while (matches != 0) {
        const float* from = dy + (base + __ffs(static_cast<int>(matches)) - 1) * columns;
        matches &= matches - 1;
#pragma unroll
        for (int k = 0; k < kPerLane; ++k) {
          if (first + 32 * k < columns) sum[k] += from[first + 32 * k];
        }
      }
    }
#pragma unroll
    for (int k = 0; k < kPerLane; ++k) {
      if (first + 32 * k < columns) dtable[row * columns + first + 32 * k] = sum[k];
    }
  }
}

}  // namespace

cudaError_t lookup(const float* table, const int32_t* indices, float* y, int64_t count, int64_t positions, int64_t columns,
                   cudaStream_t stream) {
  const int64_t n = positions * columns;
  if (n == 0) return cudaSuccess;
  if (columns % 4 == 0 && aligned_for_quads(table, y)) {
    lookup_rows<<<blocks_for(n / 4, kThreads), kThreads, 0, stream>>>(reinterpret_cast<const float4*>(table), indices,
                                                                      reinterpret_cast<float4*>(y), count, columns / 4, n / 4);
  } else {
    lookup_rows<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(table, indices, y, count, columns, n);
  }
  return cudaPeekAtLastError();
}

cudaError_t gradient(const float* dy, const int32_t* indices, float* dtable, int64_t count, int64_t positions, int64_t columns,
                     int64_t padding, cudaStream_t stream) {
  const int64_t items = count * ((columns + kTile - 1) / kTile);
  if (items == 0) return cudaSuccess;
  sum_positions<<<blocks_for(items, kWarps), kThreads, 0, stream>>>(dy, indices, dtable, count, positions, columns, padding);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::embedding
