// What the float32 kernels of both passes share: 128 threads as 16 × 8 over a tile of 32 rows; thread (y, x) has the rows 2y and 2y + 1, the columns
// x, x + 8, … of the scores, and an eighth of the values of its rows' sums. Tiles are swizzled as those of the tensor cores, so that
// eight rows at one place and eight places of one row both come in one wavefront.
#pragma once

#include "cuda/attention/tensor_tile.cuh"

namespace flashbook::cuda::attention {

constexpr int kF32Rows = 32;

__device__ __forceinline__ int thread_y() { return threadIdx.x / 8; }
__device__ __forceinline__ int thread_x() { return threadIdx.x % 8; }

// score[r][j] += row 2y + r of `rows` · row x + 8j of `columns`
template <int kDim, int kColumns>
__device__ __forceinline__ void add_scores(float (&score)[2][kColumns / 8], const char* rows, const char* columns) {
#pragma unroll 4
  for (int chunk = 0; chunk < kDim / 4; chunk++) {
    float4 a[2];
#pragma unroll
    for (int r = 0; r < 2; r++) a[r] = *reinterpret_cast<const float4*>(rows + swizzled<kDim * 4>(2 * thread_y() + r, chunk));
#pragma unroll
    for (int j = 0; j < kColumns / 8; j++) {
      const float4 b = *reinterpret_cast<const float4*>(columns + swizzled<kDim * 4>(thread_x() + 8 * j, chunk));
#pragma unroll
      for (int r = 0; r < 2; r++) {
        score[r][j] = fmaf(a[r].x, b.x, fmaf(a[r].y, b.y, fmaf(a[r].z, b.z, fmaf(a[r].w, b.w, score[r][j]))));
      }
    }
  }
}

// Which values of a row a thread sums up: kVector at once, from column(i) on.
template <int kDim>
struct Share {
  static constexpr int kVector = kDim < 32 ? 2 : 4, kGroups = kDim / 8 / kVector;
  static __device__ __forceinline__ int column(int group) { return (group * 8 + thread_x()) * kVector; }
};

// Coefficients of a tile, row after row; the pitch keeps the rows of a warp in different banks.
template <int kColumns>
constexpr int kCoefficientPitch = kColumns + 4;

// sum[r] += Σ columns of coefficient[2y + r][column] · row `column` of the tile; of the columns low … high where kMasked, so that a NaN
// in a row that is not seen is not multiplied by 0.
template <int kDim, int kColumns, bool kMasked>
__device__ __forceinline__ void add_rows(float (&sum)[2][kDim / 8], const float* coefficients, const char* tile, const int (&low)[2],
                                         const int (&high)[2], int column0) {
  constexpr int kVector = Share<kDim>::kVector;
#pragma unroll 2
  for (int column = 0; column < kColumns; column += 4) {
    float weight[2][4];
#pragma unroll
    for (int r = 0; r < 2; r++) {
      *reinterpret_cast<float4*>(weight[r]) =
          *reinterpret_cast<const float4*>(coefficients + (2 * thread_y() + r) * kCoefficientPitch<kColumns> + column);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int place = column0 + column + i;
#pragma unroll
      for (int group = 0; group < Share<kDim>::kGroups; group++) {
        const int value = Share<kDim>::column(group);
        const char* from = tile + swizzled<kDim * 4>(column + i, value / 4) + value % 4 * 4;
        float values[kVector];
        if constexpr (kVector == 4) {
          *reinterpret_cast<float4*>(values) = *reinterpret_cast<const float4*>(from);
        } else {
          *reinterpret_cast<float2*>(values) = *reinterpret_cast<const float2*>(from);
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
          if (kMasked && (place < low[r] || place > high[r])) continue;
#pragma unroll
          for (int v = 0; v < kVector; v++) {
            sum[r][group * kVector + v] = fmaf(weight[r][i], values[v], sum[r][group * kVector + v]);
          }
        }
      }
    }
  }
}

// This thread's share of a row of float32, times `factor`.
template <int kDim>
__device__ __forceinline__ void store_share(float* row, const float (&sum)[kDim / 8], float factor, int head_dim) {
  constexpr int kVector = Share<kDim>::kVector;
#pragma unroll
  for (int group = 0; group < Share<kDim>::kGroups; group++) {
    const int column = Share<kDim>::column(group);
    const float* from = sum + group * kVector;
    if (kVector == 4 && head_dim % 4 == 0) {
      if (column < head_dim) {
        // Written out, for the compiler takes some of these stores apart.
        asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" :: "l"(row + column), "f"(from[0] * factor), "f"(from[1] * factor),
                     "f"(from[2] * factor), "f"(from[3] * factor) : "memory");
      }
      continue;
    }
#pragma unroll
    for (int v = 0; v < kVector; v += 2) store_pair(row, column + v, head_dim, from[v] * factor, from[v + 1] * factor);
  }
}

}  // namespace flashbook::cuda::attention
