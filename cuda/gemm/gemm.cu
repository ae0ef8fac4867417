// The products of gemm.h: choice of tile and split, packing, launch. A choice depends on the shape alone, never on the device.
#include "cuda/gemm/gemm.h"

#include <algorithm>

#include "cuda/gemm/gemm_f32.cuh"
#include "cuda/gemm/pack.cuh"
#include "cuda/gemm/tensor_tile.cuh"
#include "kernels/gemm/gemm.h"

namespace flashbook::cuda::gemm {
namespace {

using ::flashbook::gemm::k_chunk;   // the processor's, so that the bits are too

constexpr int64_t kManyTiles = 128;                        // about one a multiprocessor of an A100 or H100
constexpr int64_t kMaxPartialBytes = int64_t{32} << 20;    // for a product that is split along K
constexpr int64_t kMaxGridY = 65535;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
size_t aligned(int64_t bytes) { return static_cast<size_t>(ceil_div(bytes, 256) * 256); }

// C tile = A·Bᵀ of packed operands. gridDim.z parts of K; more than one write partial sums.
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 2)
gemm_tensor(const char* a, const char* b, int64_t m, int n, int64_t pitch, int64_t stages, Epilogue epilogue,
            float* partial) {
  const int64_t row0 = int64_t{blockIdx.x} * Tile::kRows;
  const int column0 = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int64_t share = (stages + gridDim.z - 1) / gridDim.z, first = blockIdx.z * share;
  float sum[Tile::kRowTiles][Tile::kColumnTiles][4] = {};
  multiply_tile<T, Tile>(sum, a, pitch, row0, m, b, pitch, column0, n, pitch, first, min(stages, first + share));
  if (gridDim.z > 1) epilogue = {partial + blockIdx.z * m * n, nullptr, nullptr, Activation::none};
  extern __shared__ __align__(128) char shared[];
  __syncthreads();   // nobody reads the last stage any more
  store_results<Tile>(sum, shared, [&](int row, int column, const float* four) {
    if (row0 + row < m) epilogue.store_four(four, row0 + row, column0 + column, n);
  });
}

// Adds the parts of a split product in rising order, four columns a thread.
__global__ void __launch_bounds__(256) combine(const float* partial, int parts, int64_t m, int n, Epilogue epilogue) {
  const unsigned fours = (n + 3) / 4, index = blockIdx.x * 256 + threadIdx.x, row = index / fours, column = index % fours * 4;
  if (row >= m) return;
  const int64_t stride = m * n;
  const float* from = partial + int64_t{row} * n + column;
  float sums[4];
  if (n % 4 == 0) {
    float4 sum = *reinterpret_cast<const float4*>(from);
    for (int part = 1; part < parts; part++) sum = Epilogue::added(sum, *reinterpret_cast<const float4*>(from += stride));
    sums[0] = sum.x, sums[1] = sum.y, sums[2] = sum.z, sums[3] = sum.w;
  } else {
    for (unsigned i = 0; i < 4 && column + i < n; i++) {
      sums[i] = from[i];
      for (int part = 1; part < parts; part++) sums[i] = __fadd_rn(sums[i], from[part * stride + i]);
    }
  }
  epilogue.store_four(sums, row, static_cast<int>(column), n);
}

// An empty sum: K = 0.
__global__ void __launch_bounds__(256) fill_empty(int64_t m, int n, Epilogue epilogue) {
  const int64_t at = int64_t{blockIdx.x} * 256 + threadIdx.x;
  if (at < m * n) epilogue.c[at] = epilogue.value(0.0f, at / n, static_cast<int>(at % n), n);
}

int64_t value_bytes(Precision precision) { return precision == Precision::tf32 ? 4 : 2; }
int64_t pitch_of(const Problem& p) { return ceil_div(p.k * value_bytes(p.precision), 64) * 64; }

template <class Tile>
int64_t tiles(int64_t m, int64_t n) { return ceil_div(m, Tile::kRows) * ceil_div(n, Tile::kColumns); }

bool large(const Problem& p) { return tiles<LargeTile>(p.m, p.n) >= kManyTiles / 2; }

// Parts of K, so that a product with few tiles and a long K (a weight gradient) keeps the machine busy.
int64_t parts_of(const Problem& p) {
  if (p.m == 0 || p.n == 0 || p.k == 0) return 1;
  const int64_t most = kMaxPartialBytes / (4 * p.m * p.n);
  if (p.precision == Precision::f32) {
    const int64_t chunks = ceil_div(p.k, k_chunk(p.k));   // a chunk each, or the order of the sums would change
    const int64_t count = ceil_div(p.m, kF32Rows) * ceil_div(p.n, kF32Columns);
    return count < kManyTiles / 2 && chunks <= most && chunks <= kMaxGridY ? chunks : 1;
  }
  const int64_t stages = pitch_of(p) / 64;
  const int64_t count = large(p) ? tiles<LargeTile>(p.m, p.n) : tiles<SmallTile>(p.m, p.n);
  // Parts are written and read, 8 bytes an element: no more of that than the operands are.
  const int64_t worth = (p.m + p.n) * pitch_of(p) / (8 * p.m * p.n);
  const int64_t wanted = std::min({kManyTiles / count, stages / 8, worth, most});
  return wanted <= 1 ? 1 : ceil_div(stages, ceil_div(stages, wanted));   // none of them empty
}

template <class T>
void pack(const float* x, int64_t rows, int64_t row_stride, int64_t k, int64_t k_stride, void* packed, int64_t pitch,
          cudaStream_t stream) {
  if (k_stride == 1) {
    pack_rows<T><<<static_cast<unsigned>(ceil_div(rows, 8)), 256, 0, stream>>>(
        x, rows, static_cast<int>(k), static_cast<uint32_t*>(packed), static_cast<int>(pitch / 4));
  } else {
    const dim3 grid(static_cast<unsigned>(ceil_div(rows, 32)), static_cast<unsigned>(ceil_div(pitch / 4, 32)));
    pack_columns<T><<<grid, 256, 0, stream>>>(x, rows, k, static_cast<uint32_t*>(packed), pitch / 4);
  }
}

template <class T, class Tile>
cudaError_t launch_tensor(const Problem& p, const void* a, const void* b, int64_t parts, const Epilogue& epilogue,
                          float* partial, cudaStream_t stream) {
  const auto kernel = gemm_tensor<T, Tile>;
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kSharedBytes)) {
    return error;
  }
  const int64_t pitch = pitch_of(p);
  const dim3 grid(static_cast<unsigned>(ceil_div(p.m, Tile::kRows)), static_cast<unsigned>(ceil_div(p.n, Tile::kColumns)),
                  static_cast<unsigned>(parts));
  kernel<<<grid, Tile::kThreads, Tile::kSharedBytes, stream>>>(static_cast<const char*>(a), static_cast<const char*>(b), p.m,
                                                               static_cast<int>(p.n), pitch, pitch / 64, epilogue, partial);
  return cudaGetLastError();
}

template <class T>
cudaError_t run_tensor(const Problem& p, char* workspace, int64_t parts, const Epilogue& epilogue, float* partial,
                       cudaStream_t stream) {
  const int64_t pitch = pitch_of(p);
  pack<T>(p.a, p.m, p.a_row, p.k, p.a_col, workspace, pitch, stream);
  const void* b = p.packed_b;
  if (b == nullptr) {
    char* packed = workspace + aligned(p.m * pitch);
    pack<T>(p.b, p.n, p.b_col, p.k, p.b_row, packed, pitch, stream);
    b = packed;
  }
  if (const cudaError_t error = cudaGetLastError()) return error;
  return large(p) ? launch_tensor<T, LargeTile>(p, workspace, b, parts, epilogue, partial, stream)
                  : launch_tensor<T, SmallTile>(p, workspace, b, parts, epilogue, partial, stream);
}

bool vectors(const float* x, int64_t ld) { return reinterpret_cast<uintptr_t>(x) % 16 == 0 && ld % 4 == 0; }

cudaError_t run_f32(const Problem& p, int64_t parts, const Epilogue& epilogue, float* partial, cudaStream_t stream) {
  const bool a_along_k = p.a_col == 1, b_along_k = p.b_row == 1;
  const int64_t a_ld = a_along_k ? p.a_row : p.a_col, b_ld = b_along_k ? p.b_col : p.b_row;
  const F32Operands operands = {p.a, p.b, a_ld, b_ld, p.m, p.n, p.k, k_chunk(p.k), vectors(p.a, a_ld), vectors(p.b, b_ld)};
  const auto kernel = a_along_k ? (b_along_k ? gemm_f32<true, true> : gemm_f32<true, false>)
                                : (b_along_k ? gemm_f32<false, true> : gemm_f32<false, false>);
  const dim3 grid(static_cast<unsigned>(ceil_div(p.m, kF32Rows)), static_cast<unsigned>(ceil_div(p.n, kF32Columns)),
                  static_cast<unsigned>(parts));
  kernel<<<grid, kF32Threads, 0, stream>>>(operands, epilogue, partial);
  return cudaGetLastError();
}

}  // namespace

size_t packed_b_bytes(const Problem& p) { return p.precision == Precision::f32 ? 0 : aligned(p.n * pitch_of(p)); }

size_t workspace_bytes(const Problem& p) {
  const int64_t parts = parts_of(p);
  size_t bytes = parts > 1 ? aligned(parts * p.m * p.n * 4) : 0;
  if (p.precision != Precision::f32) bytes += aligned(p.m * pitch_of(p)) + (p.packed_b == nullptr ? packed_b_bytes(p) : 0);
  return bytes;
}

cudaError_t pack_b(const Problem& p, void* packed, cudaStream_t stream) {
  if (p.n == 0 || p.k == 0) return cudaSuccess;
  const int64_t pitch = pitch_of(p);
  switch (p.precision) {
    case Precision::bf16: pack<Bf16>(p.b, p.n, p.b_col, p.k, p.b_row, packed, pitch, stream); break;
    case Precision::f16: pack<F16>(p.b, p.n, p.b_col, p.k, p.b_row, packed, pitch, stream); break;
    case Precision::tf32: pack<Tf32>(p.b, p.n, p.b_col, p.k, p.b_row, packed, pitch, stream); break;
    case Precision::f32: return cudaSuccess;
  }
  return cudaGetLastError();
}

cudaError_t run(const Problem& p, void* workspace, cudaStream_t stream) {
  if (p.m == 0 || p.n == 0) return cudaSuccess;
  const Epilogue epilogue = {p.c, p.bias, p.residual, p.activation, p.factor};
  const int n = static_cast<int>(p.n);
  const auto everywhere = static_cast<unsigned>(ceil_div(p.m * p.n, 256));
  if (p.k == 0) {
    fill_empty<<<everywhere, 256, 0, stream>>>(p.m, n, epilogue);
    return cudaGetLastError();
  }
  if (p.n > kMaxColumns || p.k > kMaxInner) return cudaErrorInvalidValue;
  const int64_t parts = parts_of(p);
  char* free = static_cast<char*>(workspace);
  float* partial = nullptr;
  if (parts > 1) {
    partial = reinterpret_cast<float*>(free);
    free += aligned(parts * p.m * p.n * 4);
  }
  cudaError_t error = cudaSuccess;
  switch (p.precision) {
    case Precision::f32: error = run_f32(p, parts, epilogue, partial, stream); break;
    case Precision::bf16: error = run_tensor<Bf16>(p, free, parts, epilogue, partial, stream); break;
    case Precision::f16: error = run_tensor<F16>(p, free, parts, epilogue, partial, stream); break;
    case Precision::tf32: error = run_tensor<Tf32>(p, free, parts, epilogue, partial, stream); break;
  }
  if (error != cudaSuccess || parts == 1) return error;
  const auto blocks = static_cast<unsigned>(ceil_div(p.m * ceil_div(p.n, 4), 256));
  combine<<<blocks, 256, 0, stream>>>(partial, static_cast<int>(parts), p.m, n, epilogue);
  return cudaGetLastError();
}

}  // namespace flashbook::cuda::gemm
