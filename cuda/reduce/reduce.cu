#include "cuda/reduce/reduce.h"

#include "cuda/device/warp.cuh"

namespace flashbook::cuda::reduce {
namespace {

constexpr int kRows = kThreads / 32;

__global__ void __launch_bounds__(kThreads) sum_row_chunks(const float* __restrict__ x, float* out, int64_t rows, int64_t chunk,
                                                           int64_t columns) {
  __shared__ float partial[kRows][32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * 32 + lane;
  const int64_t first = blockIdx.y * chunk, last = min(rows, first + chunk);
  float sum = 0;
  if (column < columns) {
    for (int64_t row = first + warp; row < last; row += kRows) sum += x[row * columns + column];
  }
  partial[warp][lane] = sum;
  __syncthreads();
  if (warp == 0 && column < columns) {
    float total = 0;
#pragma unroll
    for (int w = 0; w < kRows; ++w) total += partial[w][lane];
    out[blockIdx.y * columns + column] = total;
  }
}

__global__ void __launch_bounds__(kThreads) add_few_rows(const float* __restrict__ x, float* out, int64_t rows, int64_t columns) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= columns) return;
  float sum = 0;
  for (int64_t row = 0; row < rows; ++row) sum += x[row * columns + column];
  out[column] = sum;
}

__global__ void __launch_bounds__(kThreads) sum_squares_chunks(const float* __restrict__ x, int64_t n, double* partial) {
  __shared__ double shared[kThreads / 32];
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSquaresChunk, last = min(n, first + kSquaresChunk);
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < last; i += kThreads) {
    const double value = x[i];
    sum = fma(value, value, sum);
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) sum_doubles(const double* __restrict__ partial, int64_t count, float* out) {
  __shared__ double shared[kThreads / 32];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) *out = static_cast<float>(sum);
}

}  // namespace

cudaError_t add_rows(const float* x, float* out, int64_t rows, int64_t columns, cudaStream_t stream) {
  add_few_rows<<<static_cast<unsigned>((columns + kThreads - 1) / kThreads), kThreads, 0, stream>>>(x, out, rows, columns);
  return cudaPeekAtLastError();
}

cudaError_t sum_rows(const float* x, float* out, int64_t rows, int64_t columns, void* workspace, cudaStream_t stream) {
  const Chunks chunks = row_chunks(rows);
  float* partial = chunks.count == 1 ? out : static_cast<float*>(workspace);
  const dim3 grid(static_cast<unsigned>((columns + 31) / 32), static_cast<unsigned>(chunks.count));
  sum_row_chunks<<<grid, kThreads, 0, stream>>>(x, partial, rows, chunks.rows, columns);
  return chunks.count == 1 ? cudaPeekAtLastError() : add_rows(partial, out, chunks.count, columns, stream);
}

cudaError_t chunk_squares(const float* x, int64_t n, double* partial, cudaStream_t stream) {
  sum_squares_chunks<<<static_cast<unsigned>(squares_chunks(n)), kThreads, 0, stream>>>(x, n, partial);
  return cudaPeekAtLastError();
}

cudaError_t add_doubles(const double* partial, int64_t count, float* out, cudaStream_t stream) {
  sum_doubles<<<1, kThreads, 0, stream>>>(partial, count, out);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::reduce
