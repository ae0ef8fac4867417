// The main loop of every tensor-core product: C tile = A·Bᵀ, both with K contiguous and rows of `pitch` bytes, pitch a multiple of 16.
//
// A block computes kRows × kColumns, each warp kWarpRows × kWarpColumns. A stage is 64 bytes of K of both operands (32 values of 2 bytes, 16 of
// 4, 64 of 1), brought by cp.async into one of kStages swizzled buffers, two stages ahead of the tensor cores; ldmatrix
// takes fragments from there without bank conflicts. Rows past the end and chunks past K are filled with zeros.
#pragma once

#include "cuda/device/mma.cuh"

namespace flashbook::cuda {

template <int kRows_, int kColumns_, int kWarpRows_, int kWarpColumns_, int kStages_>
struct TensorTile {
  static constexpr int kRows = kRows_, kColumns = kColumns_, kWarpRows = kWarpRows_, kWarpColumns = kWarpColumns_;
  static constexpr int kStages = kStages_;
  static constexpr int kThreads = kRows / kWarpRows * (kColumns / kWarpColumns) * 32;
  static constexpr int kStageBytes = 64;                                    // of K
  static constexpr int kSharedBytes = kStages * (kRows + kColumns) * kStageBytes;
  static constexpr int kRowTiles = kWarpRows / 16, kColumnTiles = kWarpColumns / 8;

  static __device__ __forceinline__ int warp_row() { return threadIdx.x / 32 % (kRows / kWarpRows) * kWarpRows; }
  static __device__ __forceinline__ int warp_column() { return threadIdx.x / 32 / (kRows / kWarpRows) * kWarpColumns; }
};

// The large tile for products that fill the machine, the small one for the others.
using LargeTile = TensorTile<128, 128, 64, 32, 3>;
using SmallTile = TensorTile<64, 64, 32, 32, 3>;

// Rows row0 … of an operand: copies one stage into shared memory.
template <int kRows, int kThreads>
__device__ __forceinline__ void copy_stage(uint32_t to, const char* from, int64_t pitch, int64_t row0, int64_t rows,
                                           int64_t byte0, int64_t bytes) {
#pragma unroll
  for (int i = 0; i < kRows * 4 / kThreads; i++) {
    const int index = threadIdx.x + i * kThreads, row = index / 4, chunk = index % 4;
    const bool valid = row0 + row < rows && byte0 + chunk * 16 < bytes;
    const char* source = from + (valid ? (row0 + row) * pitch + byte0 + chunk * 16 : 0);
    copy_async_16(to + swizzled<64>(row, chunk), source, valid);
  }
}

// Adds one stage to the accumulators.
template <class T, class Tile>
__device__ __forceinline__ void multiply_stage(typename T::Accumulator (&sum)[Tile::kRowTiles][Tile::kColumnTiles][4],
                                               uint32_t a, uint32_t b) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    uint32_t fragment_a[Tile::kRowTiles][4], fragment_b[Tile::kColumnTiles / 2][4];
#pragma unroll
    for (int i = 0; i < Tile::kRowTiles; i++) {
      load_matrices(fragment_a[i], a + swizzled<64>(Tile::warp_row() + i * 16 + lane % 16, half * 2 + lane / 16));
    }
#pragma unroll
    for (int j = 0; j < Tile::kColumnTiles / 2; j++) {
      const int column = Tile::warp_column() + j * 16 + lane % 8 + lane / 16 * 8;
      load_matrices(fragment_b[j], b + swizzled<64>(column, half * 2 + lane / 8 % 2));
    }
#pragma unroll
    for (int i = 0; i < Tile::kRowTiles; i++) {
#pragma unroll
      for (int j = 0; j < Tile::kColumnTiles; j++) {
        T::mma(sum[i][j], fragment_a[i], fragment_b[j / 2][j % 2 * 2], fragment_b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
}

// sum += rows row0 … of a times rows column0 … of b, over the stages first … last−1.
template <class T, class Tile>
__device__ __forceinline__ void multiply_tile(typename T::Accumulator (&sum)[Tile::kRowTiles][Tile::kColumnTiles][4],
                                              const char* a, int64_t a_pitch, int64_t row0, int64_t rows, const char* b,
                                              int64_t b_pitch, int64_t column0, int64_t columns, int64_t bytes,
                                              int64_t first, int64_t last) {
  extern __shared__ __align__(128) char shared[];
  constexpr int kStages = Tile::kStages, kA = Tile::kRows * 64, kStep = (Tile::kRows + Tile::kColumns) * 64;
  const uint32_t base = shared_address(shared);
  const auto copy = [&](int64_t stage) {
    if (stage < last) {
      const uint32_t to = base + static_cast<int>((stage - first) % kStages) * kStep;
      copy_stage<Tile::kRows, Tile::kThreads>(to, a, a_pitch, row0, rows, stage * 64, bytes);
      copy_stage<Tile::kColumns, Tile::kThreads>(to + kA, b, b_pitch, column0, columns, stage * 64, bytes);
    }
    commit_copies();   // an empty group past the end, so that the count below stays right
  };
#pragma unroll
  for (int s = 0; s < kStages - 1; s++) copy(first + s);
  for (int64_t stage = first; stage < last; stage++) {
    wait_copies<kStages - 2>();
    __syncthreads();   // the stage has arrived for all, and all have left the buffer that is filled next
    copy(stage + kStages - 1);
    const uint32_t from = base + static_cast<int>((stage - first) % kStages) * kStep;
    multiply_stage<T, Tile>(sum, from, from + kA);
  }
}

}  // namespace flashbook::cuda
