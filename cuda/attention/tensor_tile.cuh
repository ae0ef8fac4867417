// What the tensor-core kernels of both passes share: 4 warps of 16 rows each, rows of kDim two-byte values in swizzled shared memory.
#pragma once

#include "cuda/attention/rows.cuh"
#include "cuda/device/mma.cuh"

namespace flashbook::cuda::attention {

constexpr int kThreads = 128, kTileRows = 64;

// Places place0 … of a class to a tile of kRows. Where there is none, the nearest is repeated: a tile that has such places is a partial one,
// and nothing of them is seen.
template <int kRows, int kRowBytes>
__device__ __forceinline__ void copy_rows(uint32_t to, const Rows& from, int place0) {
  constexpr int kChunks = kRowBytes / 16, kStep = kThreads / kChunks;
  const int row0 = threadIdx.x / kChunks, chunk = threadIdx.x % kChunks;
  const uint32_t to0 = to + swizzled<kRowBytes>(row0, chunk);
  const char* from0 = from.at + chunk * 16;
#pragma unroll
  for (int i = 0; i < (kRows + kStep - 1) / kStep; i++) {
    const int row = row0 + i * kStep;
    if (kRows % kStep != 0 && row >= kRows) break;
    const int place = max(from.first, min(from.last, place0 + row));
    copy_async_16(kStep % 8 == 0 ? to0 + i * kStep * kRowBytes : to + swizzled<kRowBytes>(row, chunk),
                  from0 + int64_t{place * from.stride} * kRowBytes, true);
  }
}

// Fragments of A for rows `row` … + 15 and the values 16·step … + 15 of each.
template <int kRowBytes>
__device__ __forceinline__ void load_rows(uint32_t (&to)[4], uint32_t tile, int row, int step) {
  const int lane = threadIdx.x % 32;
  load_matrices(to, tile + swizzled<kRowBytes>(row + lane % 16, step * 2 + lane / 16));
}

// Fragments of B for columns that are the rows `row` … + 15 of the tile: columns row … + 7 in words 0 and 1, the others in 2 and 3.
template <int kRowBytes>
__device__ __forceinline__ void load_columns(uint32_t (&to)[4], uint32_t tile, int row, int step) {
  const int lane = threadIdx.x % 32;
  load_matrices(to, tile + swizzled<kRowBytes>(row + lane % 8 + lane / 16 * 8, step * 2 + lane / 8 % 2));
}

// Fragments of B where the tile's rows `row` … + 15 are what is summed over; columns 16·step … + 15.
template <int kRowBytes>
__device__ __forceinline__ void load_summed(uint32_t (&to)[4], uint32_t tile, int row, int step) {
  const int lane = threadIdx.x % 32;
  load_matrices_transposed(to, tile + swizzled<kRowBytes>(row + lane % 16, step * 2 + lane / 16));
}

// A product whose result fragments become the A fragments of the next: columns 16·i … of a tile of kColumns.
template <class T, int kColumns>
__device__ __forceinline__ void as_rows(uint32_t (&to)[kColumns / 16][4], const float (&from)[kColumns / 8][4]) {
#pragma unroll
  for (int i = 0; i < kColumns / 16; i++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      to[i][half * 2] = T::pair(from[2 * i + half][0], from[2 * i + half][1]);
      to[i][half * 2 + 1] = T::pair(from[2 * i + half][2], from[2 * i + half][3]);
    }
  }
}

// sum += weights · tile, the tile's rows being what is summed over.
template <class T, int kDim, int kColumns>
__device__ __forceinline__ void add_product(float (&sum)[kDim / 8][4], const uint32_t (&weights)[kColumns / 16][4], uint32_t tile) {
#pragma unroll
  for (int i = 0; i < kColumns / 16; i++) {
#pragma unroll
    for (int step = 0; step < kDim / 16; step++) {
      uint32_t b[4];
      load_summed<kDim * 2>(b, tile, i * 16, step);
      T::mma(sum[step * 2], weights[i], b[0], b[1]);
      T::mma(sum[step * 2 + 1], weights[i], b[2], b[3]);
    }
  }
}

// The same where the tile holds NaN or infinity in a row that some do not see, for 0 · NaN is NaN: one column after the
// other, only where low ≤ column ≤ high. low and high are those of the rows lane/4 and lane/4 + 8.
template <class T, int kDim, int kColumns>
__device__ __forceinline__ void add_visible(float (&sum)[kDim / 8][4], const uint32_t (&weights)[kColumns / 16][4], const char* tile,
                                         const int (&low)[2], const int (&high)[2], int column0) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kColumns / 8; i++) {
#pragma unroll 1
    for (int j = 0; j < 8; j++) {
      const int column = i * 8 + j, place = column0 + column, source = lane / 4 * 4 + j / 2;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const uint32_t word = __shfl_sync(0xffffffffu, weights[i / 2][i % 2 * 2 + half], source);
        const float weight = j % 2 == 0 ? T::low(word) : T::high(word);
        if (place < low[half] || place > high[half]) continue;
#pragma unroll
        for (int n = 0; n < kDim / 8; n++) {
          const uint32_t pair = *reinterpret_cast<const uint32_t*>(tile + swizzled<kDim * 2>(column, n) + lane % 4 * 4);
          sum[n][half * 2] = fmaf(weight, T::low(pair), sum[n][half * 2]);
          sum[n][half * 2 + 1] = fmaf(weight, T::high(pair), sum[n][half * 2 + 1]);
        }
      }
    }
  }
}

// Whether this thread's share of a tile holds NaN or infinity.
template <class T, int kBytes>
__device__ __forceinline__ bool holds_special(const char* tile) {
  uint32_t found = 0;
#pragma unroll
  for (int at = 0; at < kBytes; at += kThreads * 16) {
    if (kBytes % (kThreads * 16) != 0 && at + threadIdx.x * 16 >= kBytes) break;
    const uint4 words = *reinterpret_cast<const uint4*>(tile + at + threadIdx.x * 16);
    found |= T::specials(words.x) | T::specials(words.y) | T::specials(words.z) | T::specials(words.w);
  }
  return (found & 0x80008000u) != 0;
}

// Values `column` and `column` + 1 of a head's row of float32.
__device__ __forceinline__ void store_pair(float* row, int column, int head_dim, float first, float second) {
  if (head_dim % 2 == 0) {
    if (column < head_dim) *reinterpret_cast<float2*>(row + column) = {first, second};
  } else {
    if (column < head_dim) row[column] = first;
    if (column + 1 < head_dim) row[column + 1] = second;
  }
}

}  // namespace flashbook::cuda::attention
