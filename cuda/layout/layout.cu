#include "cuda/layout/layout.h"

#include "cuda/device/map.cuh"

namespace flashbook::cuda::layout {
namespace {

constexpr int kTile = 32, kTileRows = 8;

// T is float4 or float; widths and lengths in T.
template <class T>
__global__ void __launch_bounds__(kThreads) copy_rows(const T* from, int64_t from_columns, T* to, int64_t to_columns, int64_t width,
                                                      int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    const int64_t row = i / width, column = i % width;
    to[row * to_columns + column] = from[row * from_columns + column];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) place(const T* dy, T* dx, int64_t steps, int64_t columns, int64_t index, int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    const int64_t row = i / columns, column = i % columns;
    T value{};
    if (row % steps == index) value = dy[row / steps * columns + column];
    dx[i] = value;
  }
}

__global__ void __launch_bounds__(kTile * kTileRows) transpose_tiles(const float* x, float* y, int64_t rows, int64_t columns) {
  __shared__ float tile[kTile][kTile + 1];
  const int64_t base = static_cast<int64_t>(blockIdx.z) * rows * columns;
  const int64_t r0 = static_cast<int64_t>(blockIdx.y) * kTile, c0 = static_cast<int64_t>(blockIdx.x) * kTile;
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t r = r0 + i, c = c0 + threadIdx.x;
    if (r < rows && c < columns) tile[i][threadIdx.x] = x[base + r * columns + c];
  }
  __syncthreads();
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t c = c0 + i, r = r0 + threadIdx.x;
    if (r < rows && c < columns) y[base + c * rows + r] = tile[threadIdx.x][i];
  }
}

bool in_quads(std::initializer_list<int64_t> lengths, const float* a, const float* b) {
  for (int64_t length : lengths) {
    if (length % 4 != 0) return false;
  }
  return aligned_for_quads(a, b);
}

}  // namespace

cudaError_t copy_block(const float* from, int64_t from_columns, float* to, int64_t to_columns, int64_t width, int64_t rows,
                       cudaStream_t stream) {
  const int64_t n = width * rows;
  if (n == 0) return cudaSuccess;
  if (in_quads({from_columns, to_columns, width}, from, to)) {
    copy_rows<<<blocks_for(n / 4, kThreads), kThreads, 0, stream>>>(reinterpret_cast<const float4*>(from), from_columns / 4,
                                                                    reinterpret_cast<float4*>(to), to_columns / 4, width / 4, n / 4);
  } else {
    copy_rows<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(from, from_columns, to, to_columns, width, n);
  }
  return cudaPeekAtLastError();
}

cudaError_t place_step(const float* dy, float* dx, int64_t batch, int64_t steps, int64_t columns, int64_t index,
                       cudaStream_t stream) {
  const int64_t n = batch * steps * columns;
  if (in_quads({columns}, dy, dx)) {
    place<<<blocks_for(n / 4, kThreads), kThreads, 0, stream>>>(reinterpret_cast<const float4*>(dy), reinterpret_cast<float4*>(dx),
                                                                steps, columns / 4, index, n / 4);
  } else {
    place<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(dy, dx, steps, columns, index, n);
  }
  return cudaPeekAtLastError();
}

cudaError_t transpose(const float* x, float* y, int64_t batch, int64_t rows, int64_t columns, cudaStream_t stream) {
  constexpr int64_t kMostPerAxis = 65535;
  const int64_t row_tiles = (rows + kTile - 1) / kTile;
  if (row_tiles > kMostPerAxis) return cudaErrorInvalidValue;
  for (int64_t first = 0; first < batch; first += kMostPerAxis) {
    const int64_t part = std::min(kMostPerAxis, batch - first);
    const dim3 grid(static_cast<unsigned>((columns + kTile - 1) / kTile), static_cast<unsigned>(row_tiles), static_cast<unsigned>(part));
    transpose_tiles<<<grid, dim3(kTile, kTileRows), 0, stream>>>(x + first * rows * columns, y + first * rows * columns, rows, columns);
  }
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::layout
