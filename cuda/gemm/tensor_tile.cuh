// The main loop of every tensor-core product: C tile = A·Bᵀ, both with K contiguous and rows of `pitch` bytes, pitch a multiple of 16.
//
// A block computes kRows × kColumns, each warp kWarpRows × kWarpColumns. A stage is 64 bytes of K of both operands (32 values of 2 bytes, 16 of
// 4, 64 of 1), brought by cp.async into one of kStages swizzled buffers, two stages ahead of the tensor cores; ldmatrix
// takes fragments from there without bank conflicts. Rows past the end repeat the last one, and nobody stores what comes of them; chunks
// past K are filled with zeros.
//
// Every address is worked out before the loop: a stage of the large tile is, per warp, 64 products, 16 loads of fragments, 8 copies,
// and an addition for each pointer and buffer.
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
  // Sixteen rows of results a warp on their way out; the pitch keeps four rows in different banks.
  static constexpr int kResultPitch = kWarpColumns + 8;
  static constexpr int kResultBytes = kThreads / 32 * 16 * kResultPitch * 4;
  static_assert(kResultBytes <= kSharedBytes);

  static __device__ __forceinline__ int warp_row() { return threadIdx.x / 32 % (kRows / kWarpRows) * kWarpRows; }
  static __device__ __forceinline__ int warp_column() { return threadIdx.x / 32 / (kRows / kWarpRows) * kWarpColumns; }
};

// The large tile for products that fill the machine, the small one for the others.
using LargeTile = TensorTile<128, 128, 64, 64, 3>;
using SmallTile = TensorTile<64, 64, 32, 32, 3>;

// What one thread copies of an operand's rows row0 …, a stage after the other: the 16-byte chunk threadIdx.x % 4 of every kStep-th row.
template <int kRows, int kThreads>
class StageCopy {
 public:
  __device__ __forceinline__ StageCopy(const char* from, int64_t pitch, int64_t row0, int64_t rows, int64_t byte0, int64_t bytes)
      : place_(swizzled<64>(threadIdx.x / 4, threadIdx.x % 4)), left_(static_cast<int>(bytes - byte0) - threadIdx.x % 4 * 16) {
#pragma unroll
    for (int i = 0; i < kCopies; i++) {
      const int64_t row = min(row0 + threadIdx.x / 4 + i * kStep, rows - 1);
      from_[i] = from + row * pitch + byte0 + threadIdx.x % 4 * 16;
    }
  }

  // Copies the stage that is due to the buffer `to` and goes on to the next.
  __device__ __forceinline__ void next(uint32_t to) {
#pragma unroll
    for (int i = 0; i < kCopies; i++) {
      copy_async_16(to + place_ + i * kStep * 64, from_[i], left_ > 0);
      from_[i] += 64;
    }
    left_ -= 64;
  }

 private:
  static constexpr int kCopies = kRows * 4 / kThreads, kStep = kThreads / 4;
  static_assert(kStep % 8 == 0, "the rows of a thread must share their swizzle");

  const char* from_[kCopies];
  uint32_t place_;
  int left_;
};

// Where a lane finds its fragments within the buffers of a stage, for the two halves of 32 bytes. Rows 16 further on lie 16 · 64 bytes on.
template <class Tile>
struct FragmentPlaces {
  uint32_t a[2], b[2];

  __device__ __forceinline__ FragmentPlaces() {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      a[half] = swizzled<64>(Tile::warp_row() + lane % 16, half * 2 + lane / 16);
      b[half] = swizzled<64>(Tile::warp_column() + lane % 8 + lane / 16 * 8, half * 2 + lane / 8 % 2);
    }
  }
};

// Adds one stage to the accumulators.
template <class T, class Tile>
__device__ __forceinline__ void multiply_stage(typename T::Accumulator (&sum)[Tile::kRowTiles][Tile::kColumnTiles][4],
                                               const FragmentPlaces<Tile>& places, uint32_t a, uint32_t b) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    uint32_t fragment_a[Tile::kRowTiles][4], fragment_b[Tile::kColumnTiles / 2][4];
#pragma unroll
    for (int i = 0; i < Tile::kRowTiles; i++) load_matrices(fragment_a[i], a + places.a[half] + i * 16 * 64);
#pragma unroll
    for (int j = 0; j < Tile::kColumnTiles / 2; j++) load_matrices(fragment_b[j], b + places.b[half] + j * 16 * 64);
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
  const FragmentPlaces<Tile> places;
  StageCopy<Tile::kRows, Tile::kThreads> copy_a(a, a_pitch, row0, rows, first * 64, bytes);
  StageCopy<Tile::kColumns, Tile::kThreads> copy_b(b, b_pitch, column0, columns, first * 64, bytes);
  int ahead = static_cast<int>(last - first);   // stages that are still to be copied
  const auto copy = [&](uint32_t to) {
    if (ahead-- > 0) {
      copy_a.next(to);
      copy_b.next(to + kA);
    }
    commit_copies();   // an empty group past the end, so that the count below stays right
  };
#pragma unroll
  for (int s = 0; s < kStages - 1; s++) copy(base + s * kStep);
  uint32_t from = base, left = base + (kStages - 1) * kStep;
  for (int stage = static_cast<int>(last - first); stage > 0; stage--) {
    wait_copies<kStages - 2>();
    __syncthreads();   // the stage has arrived for all, and all have left the buffer that is filled next
    copy(left);
    multiply_stage<T, Tile>(sum, places, from, from + kA);
    left = from;
    from = from == base + (kStages - 1) * kStep ? base : from + kStep;
  }
}

// Hands the results out in fours along the rows: store(row, column, four), both within the block's tile. They pass through `shared`, of
// kResultBytes, which no thread may still read: fragments would leave as pairs, and the epilogue would be unrolled for each.
template <class Tile, class Accumulator, class Store>
__device__ __forceinline__ void store_results(const Accumulator (&sum)[Tile::kRowTiles][Tile::kColumnTiles][4], char* shared,
                                              Store store) {
  constexpr int kPitch = Tile::kResultPitch, kLanes = Tile::kWarpColumns / 4;   // that share a row
  struct alignas(16) Four { Accumulator at[4]; };
  Accumulator* results = reinterpret_cast<Accumulator*>(shared) + threadIdx.x / 32 * 16 * kPitch;
  const int lane = threadIdx.x % 32;
  const uint32_t pairs = shared_address(results + lane / 4 * kPitch + lane % 4 * 2);
#pragma unroll
  for (int i = 0; i < Tile::kRowTiles; i++) {
    __syncwarp();
#pragma unroll
    for (int j = 0; j < Tile::kColumnTiles; j++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        store_shared_pair(pairs + (half * 8 * kPitch + j * 8) * 4, sum[i][j][half * 2], sum[i][j][half * 2 + 1]);
      }
    }
    __syncwarp();
#pragma unroll 1
    for (int row = lane / kLanes; row < 16; row += 32 / kLanes) {
      const Four four = *reinterpret_cast<const Four*>(results + row * kPitch + lane % kLanes * 4);
      store(Tile::warp_row() + i * 16 + row, Tile::warp_column() + lane % kLanes * 4, four.at);
    }
  }
}

}  // namespace flashbook::cuda
