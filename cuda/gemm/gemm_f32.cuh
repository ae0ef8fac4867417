// The float32 product without tensor cores: C tile 64 × 128 a block of 128 threads, 8 × 8 elements a thread, K in steps of 8.
//
// Each element is a chain of fused multiply-adds in rising k within a chunk of k_chunk(K), the chunks added in rising order, as on the CPU.
// Operands lie in shared memory with k as rows, whichever way they come: one 128-bit load gives a thread four
// values, 64 multiply-adds for four loads. The next step is fetched into registers while the present one is multiplied.
#pragma once

#include "cuda/device/mma.cuh"
#include "cuda/gemm/epilogue.cuh"

namespace flashbook::cuda::gemm {

constexpr int kF32Rows = 64, kF32Columns = 128, kF32Threads = 128, kF32Step = 8;

// One 128-bit store; the compiler takes some of them apart.
__device__ __forceinline__ void store_vector(float* to, float4 x) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};"
               :: "r"(shared_address(to)), "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w) : "memory");
}

// kSize rows (or columns) × 8 of k of one operand on their way from global to shared memory.
template <int kSize, bool kAlongK>
struct Panel {
  static constexpr int kPitch = kSize + 4;                    // floats; ≡ 4 modulo 8: transposing stores hit 32 banks
  static constexpr int kUnits = kSize * 2 / kF32Threads;      // of four floats, a thread
  float4 values[kUnits];

  // Element (row, k) is at x[row·ld + k] or, with k as rows, at x[k·ld + row].
  __device__ __forceinline__ void fetch(const float* x, int64_t ld, int64_t row0, int64_t rows, int64_t k0, int64_t k1,
                                        bool aligned) {
#pragma unroll
    for (int i = 0; i < kUnits; i++) {
      const int unit = threadIdx.x + i * kF32Threads;
      const int64_t row = row0 + (kAlongK ? unit / 2 : unit % (kSize / 4) * 4);
      const int64_t k = k0 + (kAlongK ? unit % 2 * 4 : unit / (kSize / 4));
      const int64_t left = row >= rows || k >= k1 ? 0 : kAlongK ? k1 - k : rows - row;
      const float* from = x + (kAlongK ? row * ld + k : k * ld + row);
      if (left >= 4 && aligned) {
        values[i] = *reinterpret_cast<const float4*>(from);
      } else {
        values[i] = {left > 0 ? from[0] : 0.0f, left > 1 ? from[1] : 0.0f, left > 2 ? from[2] : 0.0f,
                     left > 3 ? from[3] : 0.0f};
      }
    }
  }

  __device__ __forceinline__ void put(float* to) const {
#pragma unroll
    for (int i = 0; i < kUnits; i++) {
      const int unit = threadIdx.x + i * kF32Threads;
      if constexpr (kAlongK) {
        float* at = to + unit % 2 * 4 * kPitch + unit / 2;
        at[0] = values[i].x;
        at[kPitch] = values[i].y;
        at[2 * kPitch] = values[i].z;
        at[3 * kPitch] = values[i].w;
      } else {
        store_vector(to + unit / (kSize / 4) * kPitch + unit % (kSize / 4) * 4, values[i]);
      }
    }
  }
};

struct F32Operands {
  const float* a;
  const float* b;
  int64_t a_ld, b_ld, m, n, k, chunk;
  bool a_aligned, b_aligned;
};

// gridDim.z = 1: all of K, then the epilogue. Else block z sums chunk z alone into partial[z] (M × N).
template <bool kAAlongK, bool kBAlongK>
__global__ void __launch_bounds__(kF32Threads) gemm_f32(F32Operands operands, Epilogue epilogue, float* partial) {
  using PanelA = Panel<kF32Rows, kAAlongK>;
  using PanelB = Panel<kF32Columns, kBAlongK>;
  __shared__ __align__(16) float shared_a[2][kF32Step * PanelA::kPitch];
  __shared__ __align__(16) float shared_b[2][kF32Step * PanelB::kPitch];
  const int64_t m = operands.m, n = operands.n, k = operands.k, chunk = operands.chunk;
  const int64_t row0 = int64_t{blockIdx.x} * kF32Rows, column0 = int64_t{blockIdx.y} * kF32Columns;
  const int64_t k0 = gridDim.z == 1 ? 0 : blockIdx.z * chunk;
  const int64_t k1 = gridDim.z == 1 ? k : min(k, k0 + chunk);
  const int row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;   // and 32 rows, 64 columns further
  PanelA panel_a;
  PanelB panel_b;
  float sum[8][8] = {}, total[8][8] = {};
  const auto fetch = [&](int64_t at) {
    panel_a.fetch(operands.a, operands.a_ld, row0, m, at, k1, operands.a_aligned);
    panel_b.fetch(operands.b, operands.b_ld, column0, n, at, k1, operands.b_aligned);
  };
  fetch(k0);
  panel_a.put(shared_a[0]);
  panel_b.put(shared_b[0]);
  __syncthreads();
  int stage = 0;
  for (int64_t at = k0; at < k1; at += kF32Step, stage ^= 1) {
    const bool more = at + kF32Step < k1;
    if (more) fetch(at + kF32Step);
#pragma unroll
    for (int i = 0; i < kF32Step; i++) {
      float left[8], right[8];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        *reinterpret_cast<float4*>(left + half * 4) =
            *reinterpret_cast<const float4*>(&shared_a[stage][i * PanelA::kPitch + row + half * 32]);
        *reinterpret_cast<float4*>(right + half * 4) =
            *reinterpret_cast<const float4*>(&shared_b[stage][i * PanelB::kPitch + column + half * 64]);
      }
#pragma unroll
      for (int r = 0; r < 8; r++) {
#pragma unroll
        for (int c = 0; c < 8; c++) sum[r][c] = fmaf(left[r], right[c], sum[r][c]);
      }
    }
    if (!more || (at + kF32Step - k0) % chunk == 0) {
      const bool first_chunk = at - k0 < chunk;
#pragma unroll
      for (int r = 0; r < 8; r++) {
#pragma unroll
        for (int c = 0; c < 8; c++) {
          total[r][c] = first_chunk ? sum[r][c] : __fadd_rn(total[r][c], sum[r][c]);
          sum[r][c] = 0.0f;
        }
      }
    }
    if (more) {
      panel_a.put(shared_a[stage ^ 1]);
      panel_b.put(shared_b[stage ^ 1]);
    }
    __syncthreads();
  }
  if (gridDim.z > 1) epilogue = {partial + blockIdx.z * m * n, nullptr, nullptr, Activation::none};
#pragma unroll
  for (int r = 0; r < 8; r++) {
    const int64_t at_row = row0 + row + r % 4 + r / 4 * 32;
    if (at_row >= m) continue;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int at_column = static_cast<int>(column0) + column + half * 64;
      epilogue.store_four(total[r] + half * 4, at_row, at_column, static_cast<int>(n));
    }
  }
}

}  // namespace flashbook::cuda::gemm
