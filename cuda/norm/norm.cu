#include "cuda/norm/norm.h"

#include "cuda/device/warp.cuh"
#include "cuda/reduce/reduce.h"

namespace flashbook::cuda::norm {
namespace {

constexpr int kRows = kThreads / 32;   // of a block: one a warp

__global__ void __launch_bounds__(kThreads) layer_norm(const float* x, const float* __restrict__ gamma, const float* __restrict__ beta,
                                                       float eps, float* y, float* mean_out, float* rstd_out, int64_t rows,
                                                       int columns) {
  const int lane = threadIdx.x % 32;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kRows;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.x / 32; row < rows; row += stride) {
    const float* from = x + row * columns;
    float* to = y + row * columns;
    float sum = 0;
    for (int c = lane; c < columns; c += 32) sum += from[c];
    const float mean = warp_sum(sum) / static_cast<float>(columns);
    float squares = 0;
    for (int c = lane; c < columns; c += 32) {
      const float d = from[c] - mean;
      squares = fmaf(d, d, squares);
    }
    const float rstd = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(columns) + eps);
    for (int c = lane; c < columns; c += 32) to[c] = fmaf((from[c] - mean) * rstd, gamma[c], beta[c]);
    if (lane == 0 && mean_out != nullptr) mean_out[row] = mean;
    if (lane == 0 && rstd_out != nullptr) rstd_out[row] = rstd;
  }
}

__global__ void __launch_bounds__(kThreads) layer_norm_dx(const float* dy, const float* __restrict__ x, const float* __restrict__ gamma,
                                                          const float* __restrict__ mean_in, const float* __restrict__ rstd_in,
                                                          const float* residual, float* dx, int64_t rows, int columns) {
  const int lane = threadIdx.x % 32;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kRows;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.x / 32; row < rows; row += stride) {
    const int64_t at = row * columns;
    const float mean = mean_in[row], rstd = rstd_in[row];
    float sum = 0, product = 0;
    for (int c = lane; c < columns; c += 32) {
      const float g = dy[at + c] * gamma[c];
      sum += g;
      product = fmaf(g, (x[at + c] - mean) * rstd, product);
    }
    const float inverse = 1.0f / static_cast<float>(columns);
    const float mean_g = warp_sum(sum) * inverse, mean_product = warp_sum(product) * inverse;
    for (int c = lane; c < columns; c += 32) {
      const float g = dy[at + c] * gamma[c], normalised = (x[at + c] - mean) * rstd;
      const float value = rstd * (g - mean_g - normalised * mean_product);
      dx[at + c] = residual == nullptr ? value : value + residual[at + c];
    }
  }
}

// Partial sums of dy·x̂ and dy: block (column tile, chunk of rows), 32 columns × kRows rows at a time.
__global__ void __launch_bounds__(kThreads) layer_norm_dparameters(const float* __restrict__ dy, const float* __restrict__ x,
                                                                   const float* __restrict__ mean, const float* __restrict__ rstd,
                                                                   float* dgamma, float* dbeta, int64_t rows, int64_t chunk,
                                                                   int columns) {
  __shared__ float partial[2][kRows][32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int column = blockIdx.x * 32 + lane;
  const int64_t first = blockIdx.y * chunk, last = min(rows, first + chunk);
  float product = 0, sum = 0;
  if (column < columns) {
    for (int64_t row = first + warp; row < last; row += kRows) {
      const float d = dy[row * columns + column];
      product = fmaf(d, (x[row * columns + column] - mean[row]) * rstd[row], product);
      sum += d;
    }
  }
  partial[0][warp][lane] = product;
  partial[1][warp][lane] = sum;
  __syncthreads();
  if (warp < 2 && column < columns) {
    float total = 0;
#pragma unroll
    for (int w = 0; w < kRows; ++w) total += partial[warp][w][lane];
    (warp == 0 ? dgamma : dbeta)[blockIdx.y * static_cast<int64_t>(columns) + column] = total;
  }
}

}  // namespace

cudaError_t forward(const float* x, const float* gamma, const float* beta, float eps, float* y, float* mean, float* rstd,
                    int64_t rows, int64_t columns, cudaStream_t stream) {
  layer_norm<<<blocks_for(rows, kRows), kThreads, 0, stream>>>(x, gamma, beta, eps, y, mean, rstd, rows, static_cast<int>(columns));
  return cudaPeekAtLastError();
}

size_t backward_workspace_bytes(int64_t rows, int64_t columns) {
  return static_cast<size_t>(2 * reduce::row_chunks(rows).count * columns) * sizeof(float);
}

cudaError_t backward(const float* dy, const float* x, const float* gamma, const float* mean, const float* rstd, const float* residual,
                     float* dx, float* dgamma, float* dbeta, int64_t rows, int64_t columns, void* workspace, cudaStream_t stream) {
  // The sums come first: dx may be dy.
  const reduce::Chunks chunks = reduce::row_chunks(rows);
  float* dgammas = static_cast<float*>(workspace);   // one row a chunk
  float* dbetas = dgammas + chunks.count * columns;
  const dim3 grid(static_cast<unsigned>((columns + 31) / 32), static_cast<unsigned>(chunks.count));
  layer_norm_dparameters<<<grid, kThreads, 0, stream>>>(dy, x, mean, rstd, dgammas, dbetas, rows, chunks.rows, static_cast<int>(columns));
  if (const cudaError_t status = reduce::add_rows(dgammas, dgamma, chunks.count, columns, stream); status != cudaSuccess) return status;
  if (const cudaError_t status = reduce::add_rows(dbetas, dbeta, chunks.count, columns, stream); status != cudaSuccess) return status;
  layer_norm_dx<<<blocks_for(rows, kRows), kThreads, 0, stream>>>(dy, x, gamma, mean, rstd, residual, dx, rows, static_cast<int>(columns));
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::norm
