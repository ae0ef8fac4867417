// The int8 product of qgemm.h in two forms. Fused (K ≤ 1024, N ≤ 1024, the layers of a transformer): a block quantises 64 rows of x straight
// into shared memory, where they stay while the columns pass by. Else the rows are quantised by a kernel of their own.
#include "cuda/qgemm/qgemm.h"

#include <algorithm>

#include "cuda/gemm/epilogue.cuh"
#include "cuda/gemm/tensor_tile.cuh"
#include "cuda/qgemm/quantise.cuh"

namespace flashbook::cuda::qgemm {
namespace {

using gemm::Epilogue;

constexpr int64_t kFusedInner = 1024, kFusedColumns = 1024;
constexpr int64_t kManyBlocks = 128;
constexpr int64_t kMaxGridY = 65535;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t padded(int64_t k) { return ceil_div(k, 64) * 64; }
size_t aligned(int64_t bytes) { return static_cast<size_t>(ceil_div(bytes, 256) * 256); }

// One warp a row. Rows of q are `pitch` bytes long, zeros past k.
__global__ void __launch_bounds__(256) quantise(const float* x, int64_t rows, int64_t k, int8_t* q, int64_t pitch, float* scale) {
  const int64_t row = int64_t{blockIdx.x} * 8 + threadIdx.x / 32;
  if (row >= rows) return;
  const int lane = threadIdx.x % 32;
  const float* from = x + row * k;
  const bool vectors = k % 4 == 0;
  int top = 0;
  for (int64_t at = lane * 4; at < k; at += 128) top = top_of(four_of_row(from, at, k, vectors), top);
  const RowScale of_row = row_scale(__reduce_max_sync(0xffffffffu, top));
  if (lane == 0) scale[row] = of_row.scale;
  if (pitch % 4 == 0) {
    for (int64_t at = lane * 4; at < pitch; at += 128) {
      const uint32_t word = quantised_word(four_of_row(from, at, k, vectors), of_row.inverse);
      *reinterpret_cast<uint32_t*>(q + row * pitch + at) = word;
    }
  } else {
    for (int64_t at = lane; at < k; at += 32) q[row * pitch + at] = static_cast<int8_t>(quantised(from[at], of_row.inverse));
  }
}

// Rows of w to rows of `pitch` bytes.
__global__ void __launch_bounds__(256) pad_rows(const int8_t* w, int64_t rows, int64_t k, int8_t* packed, int64_t pitch) {
  const int64_t row = int64_t{blockIdx.x} * 8 + threadIdx.x / 32;
  if (row >= rows) return;
  for (int64_t at = threadIdx.x % 32; at < pitch; at += 32) packed[row * pitch + at] = at < k ? w[row * k + at] : int8_t{0};
}

// acc · (s · wscale), then the epilogue, for the tile of a block. scale_of(row of the tile) is s.
template <class Tile, class Scale>
__device__ __forceinline__ void store_tile(const int32_t (&sum)[Tile::kRowTiles][Tile::kColumnTiles][4], char* shared, int64_t row0,
                                           int64_t m, int column0, int n, const float* w_scale, const Epilogue& epilogue,
                                           Scale scale_of) {
  store_results<Tile>(sum, shared, [&](int row, int column, const int32_t* four) {
    if (row0 + row >= m) return;
    const float scale = scale_of(row);
    const float4 w = four_of_row(w_scale, column0 + column, n, n % 4 == 0);
    const float values[4] = {__fmul_rn(__int2float_rn(four[0]), __fmul_rn(scale, w.x)),
                             __fmul_rn(__int2float_rn(four[1]), __fmul_rn(scale, w.y)),
                             __fmul_rn(__int2float_rn(four[2]), __fmul_rn(scale, w.z)),
                             __fmul_rn(__int2float_rn(four[3]), __fmul_rn(scale, w.w))};
    epilogue.store_four(values, row0 + row, column0 + column, n);
  });
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 2)
qgemm_tensor(const char* q, int64_t q_pitch, const float* scale, const char* w, int64_t w_pitch, int64_t bytes, int64_t m,
             int n, const float* w_scale, Epilogue epilogue) {
  const int64_t row0 = int64_t{blockIdx.x} * Tile::kRows;
  const int column0 = static_cast<int>(blockIdx.y) * Tile::kColumns;
  int32_t sum[Tile::kRowTiles][Tile::kColumnTiles][4] = {};
  multiply_tile<Int8, Tile>(sum, q, q_pitch, row0, m, w, w_pitch, column0, n, bytes, 0, (bytes + 63) / 64);
  extern __shared__ __align__(128) char shared[];
  __syncthreads();   // nobody reads the last stage any more
  store_tile<Tile>(sum, shared, row0, m, column0, n, w_scale, epilogue, [&](int row) { return scale[row0 + row]; });
}

// Fused: 64 rows of x, quantised, lie in shared memory stage by stage (64 rows × 64 bytes each, swizzled); the column tiles y, y + gridDim.y, …
// of w stream through kStages buffers behind them, the copies running ahead across the borders of tiles.
using FusedTile = SmallTile;

__global__ void __launch_bounds__(FusedTile::kThreads, 1)
qgemm_fused(const float* x, int64_t m, int k, const char* w, int64_t w_pitch, int n, const float* w_scale, Epilogue epilogue) {
  using Tile = FusedTile;
  extern __shared__ __align__(128) char shared[];
  __shared__ float scale[Tile::kRows];
  constexpr int kStageOfA = Tile::kRows * 64, kStageOfB = Tile::kColumns * 64;
  const int stages = (k + 63) / 64, tiles = (n + Tile::kColumns - 1) / Tile::kColumns;
  const int mine = (tiles - static_cast<int>(blockIdx.y) + static_cast<int>(gridDim.y) - 1) / static_cast<int>(gridDim.y);
  const int64_t row0 = int64_t{blockIdx.x} * Tile::kRows;
  char* const results = shared + stages * kStageOfA + Tile::kStages * kStageOfB;
  const uint32_t a = shared_address(shared), b = a + stages * kStageOfA;
  const auto column_of = [&](int tile) { return static_cast<int>(blockIdx.y + tile * gridDim.y) * Tile::kColumns; };
  using Copy = StageCopy<Tile::kColumns, Tile::kThreads>;
  Copy copy_w(w, w_pitch, column_of(0), n, 0, k);
  int ahead = mine * stages, copied_stages = 0, copied_tiles = 0;
  const auto copy = [&](uint32_t to) {
    if (ahead-- > 0) {
      copy_w.next(to);
      if (++copied_stages == stages) {
        copied_stages = 0;
        copy_w = Copy(w, w_pitch, column_of(++copied_tiles), n, 0, k);
      }
    }
    commit_copies();   // an empty group past the end, so that the count below stays right
  };
#pragma unroll
  for (int s = 0; s < Tile::kStages - 1; s++) copy(b + s * kStageOfB);

  // Half a warp a row, so that neighbouring rows of a stage fill all banks.
  const int lane = threadIdx.x % 16;
  const bool vectors = k % 4 == 0;
  for (int row = threadIdx.x / 16; row < Tile::kRows; row += Tile::kThreads / 16) {
    const float* from = x + (row0 + row) * k;
    const int columns = row0 + row < m ? k : 0;
    int top = 0;
    for (int at = lane * 4; at < stages * 64; at += 64) top = top_of(four_of_row(from, at, columns, vectors), top);
#pragma unroll
    for (int step = 8; step > 0; step /= 2) top = max(top, __shfl_xor_sync(0xffffffffu, top, step));
    const RowScale of_row = row_scale(top);
    if (lane == 0) scale[row] = of_row.scale;
    for (int stage = 0; stage < stages; stage++) {
      const uint32_t word = quantised_word(four_of_row(from, stage * 64 + lane * 4, columns, vectors), of_row.inverse);
      *reinterpret_cast<uint32_t*>(shared + stage * kStageOfA + swizzled<64>(row, lane / 4) + lane % 4 * 4) = word;
    }
  }

  const FragmentPlaces<Tile> places;
  uint32_t from = b, left = b + (Tile::kStages - 1) * kStageOfB;
  for (int tile = 0; tile < mine; tile++) {
    int32_t sum[Tile::kRowTiles][Tile::kColumnTiles][4] = {};
    for (int stage = 0; stage < stages; stage++) {
      wait_copies<Tile::kStages - 2>();
      __syncthreads();   // the stage (and at first the rows of x) is there for all, and all have left the buffer filled next
      copy(left);
      multiply_stage<Int8, Tile>(sum, places, a + stage * kStageOfA, from);
      left = from;
      from = from == b + (Tile::kStages - 1) * kStageOfB ? b : from + kStageOfB;
    }
    store_tile<Tile>(sum, results, row0, m, column_of(tile), n, w_scale, epilogue, [&](int row) { return scale[row]; });
  }
}

bool fused(const Problem& p) { return p.k <= kFusedInner && p.n <= kFusedColumns; }

template <class Tile>
cudaError_t launch_tensor(const Problem& p, const int8_t* q, const float* scale, const char* w, int64_t w_pitch,
                          const Epilogue& epilogue, cudaStream_t stream) {
  const auto kernel = qgemm_tensor<Tile>;
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kSharedBytes)) {
    return error;
  }
  const dim3 grid(static_cast<unsigned>(ceil_div(p.m, Tile::kRows)), static_cast<unsigned>(ceil_div(p.n, Tile::kColumns)));
  kernel<<<grid, Tile::kThreads, Tile::kSharedBytes, stream>>>(reinterpret_cast<const char*>(q), padded(p.k), scale, w, w_pitch,
                                                               std::min(padded(p.k), w_pitch), p.m, static_cast<int>(p.n),
                                                               p.w_scale, epilogue);
  return cudaGetLastError();
}

cudaError_t launch_fused(const Problem& p, const char* w, int64_t w_pitch, const Epilogue& epilogue, cudaStream_t stream) {
  using Tile = FusedTile;
  const int64_t rows = ceil_div(p.m, Tile::kRows), tiles = ceil_div(p.n, Tile::kColumns);
  const int64_t columns = std::min(tiles, std::max<int64_t>(1, kManyBlocks / rows));
  const int bytes = static_cast<int>(padded(p.k)) * Tile::kRows + Tile::kStages * Tile::kColumns * 64 + Tile::kResultBytes;
  if (const cudaError_t error = cudaFuncSetAttribute(qgemm_fused, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes)) {
    return error;
  }
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>(columns));
  qgemm_fused<<<grid, Tile::kThreads, bytes, stream>>>(p.x, p.m, static_cast<int>(p.k), w, w_pitch, static_cast<int>(p.n),
                                                       p.w_scale, epilogue);
  return cudaGetLastError();
}

}  // namespace

size_t packed_w_bytes(const Problem& p) { return p.k % 16 == 0 ? 0 : aligned(p.n * padded(p.k)); }

size_t workspace_bytes(const Problem& p) {
  const size_t weights = p.packed_w == nullptr ? packed_w_bytes(p) : 0;
  return weights + (fused(p) ? 0 : aligned(p.m * padded(p.k)) + aligned(p.m * 4));
}

cudaError_t pack_w(const Problem& p, void* packed, cudaStream_t stream) {
  if (p.n == 0 || p.k == 0) return cudaSuccess;
  pad_rows<<<static_cast<unsigned>(ceil_div(p.n, 8)), 256, 0, stream>>>(p.w, p.n, p.k, static_cast<int8_t*>(packed), padded(p.k));
  return cudaGetLastError();
}

cudaError_t quantise_rows(const float* x, int64_t rows, int64_t k, int8_t* q, float* scale, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  quantise<<<static_cast<unsigned>(ceil_div(rows, 8)), 256, 0, stream>>>(x, rows, k, q, k, scale);
  return cudaGetLastError();
}

cudaError_t run(const Problem& p, void* workspace, cudaStream_t stream) {
  if (p.m == 0 || p.n == 0) return cudaSuccess;
  if (p.k == 0 || p.k > kMaxInner || p.n > kMaxGridY * 64) return cudaErrorInvalidValue;
  const Epilogue epilogue = {p.y, p.bias, p.residual, p.activation};
  char* free = static_cast<char*>(workspace);
  const char* w = reinterpret_cast<const char*>(p.w);
  int64_t w_pitch = p.k;
  if (packed_w_bytes(p) > 0) {
    w_pitch = padded(p.k);
    w = static_cast<const char*>(p.packed_w);
    if (w == nullptr) {
      if (const cudaError_t error = pack_w(p, free, stream)) return error;
      w = free;
      free += packed_w_bytes(p);
    }
  }
  if (fused(p)) return launch_fused(p, w, w_pitch, epilogue, stream);
  int8_t* q = reinterpret_cast<int8_t*>(free);
  float* scale = reinterpret_cast<float*>(free + aligned(p.m * padded(p.k)));
  quantise<<<static_cast<unsigned>(ceil_div(p.m, 8)), 256, 0, stream>>>(p.x, p.m, p.k, q, padded(p.k), scale);
  if (const cudaError_t error = cudaGetLastError()) return error;
  const bool large = ceil_div(p.m, LargeTile::kRows) * ceil_div(p.n, LargeTile::kColumns) >= kManyBlocks / 2;
  return large ? launch_tensor<LargeTile>(p, q, scale, w, w_pitch, epilogue, stream)
               : launch_tensor<SmallTile>(p, q, scale, w, w_pitch, epilogue, stream);
}

}  // namespace flashbook::cuda::qgemm
