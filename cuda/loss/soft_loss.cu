#include "cuda/loss/soft_loss.h"

#include "cuda/device/warp.cuh"

namespace flashbook::cuda::loss {
namespace {

__global__ void __launch_bounds__(kThreads) soft_rows(const float* __restrict__ logits, const float* __restrict__ target, double gamma,
                                                      double* losses, double* masses, float* probs, int64_t rows, int64_t columns) {
  const int64_t row = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  const float *x = logits + row * columns, *q = target + row * columns;
  float top = -INFINITY;
  for (int64_t c = 0; c < columns; c++) top = fmaxf(top, x[c]);
  double exps = 0;
  for (int64_t c = 0; c < columns; c++) exps += exp(static_cast<double>(x[c]) - top);
  const double lse = top + log(exps);
  double loss = 0, mass = 0;
  for (int64_t c = 0; c < columns; c++) {
    const double log_p = x[c] - lse, p = exp(log_p);
    probs[row * columns + c] = static_cast<float>(p);
    mass += q[c];
    if (q[c] != 0.0f) loss -= q[c] * (gamma == 0 ? 1.0 : pow(1.0 - p, gamma)) * log_p;
  }
  losses[row] = loss;
  masses[row] = mass;
}

// The sum of n float64, in an order that n decides.
__device__ __forceinline__ double sum_of(const double* values, int64_t n) {
  __shared__ double shared[kThreads / 32];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += values[i];
  return block_sum(sum, shared);
}

__global__ void __launch_bounds__(kThreads) soft_mean(const double* losses, const double* masses, int64_t rows, float* loss) {
  const double sum = sum_of(losses, rows), mass = sum_of(masses, rows);
  if (threadIdx.x == 0) *loss = mass == 0 ? 0.0f : static_cast<float>(sum / mass);
}

__global__ void __launch_bounds__(kThreads) row_masses(const float* __restrict__ target, double* masses, int64_t rows, int64_t columns) {
  const int64_t row = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  double mass = 0;
  for (int64_t c = 0; c < columns; c++) mass += target[row * columns + c];
  masses[row] = mass;
}

__global__ void __launch_bounds__(kThreads) soft_factor(const float* dloss, const double* masses, int64_t rows, double* factor) {
  const double mass = sum_of(masses, rows);
  if (threadIdx.x == 0) *factor = mass == 0 ? 0.0 : *dloss / mass;
}

// gamma·p·(1 − p)^(gamma − 1)·log p − (1 − p)^gamma
__device__ __forceinline__ double slope_of(double p, double gamma) {
  if (gamma == 0 || p == 0) return -1;
  const double rest = 1.0 - p;
  return rest == 0 ? 0.0 : gamma * p * pow(rest, gamma - 1) * log(p) - pow(rest, gamma);
}

__global__ void __launch_bounds__(kThreads) soft_gradient(const double* __restrict__ factor, const float* probs,
                                                          const float* __restrict__ target, double gamma, float* dlogits, int64_t rows,
                                                          int64_t columns) {
  const int64_t row = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  const float *p = probs + row * columns, *q = target + row * columns;
  double sum = 0;
  for (int64_t c = 0; c < columns; c++) sum += q[c] * slope_of(p[c], gamma);
  for (int64_t c = 0; c < columns; c++) {
    const double probability = p[c];
    dlogits[row * columns + c] = static_cast<float>(*factor * (q[c] * slope_of(probability, gamma) - probability * sum));
  }
}

unsigned blocks_of(int64_t rows) { return static_cast<unsigned>((rows + kThreads - 1) / kThreads); }

}  // namespace

cudaError_t soft_cross_entropy(const float* logits, const float* target, double gamma, float* loss, float* probs, int64_t rows,
                               int64_t columns, void* workspace, cudaStream_t stream) {
  double *losses = static_cast<double*>(workspace), *masses = losses + rows;
  if (rows > 0) soft_rows<<<blocks_of(rows), kThreads, 0, stream>>>(logits, target, gamma, losses, masses, probs, rows, columns);
  soft_mean<<<1, kThreads, 0, stream>>>(losses, masses, rows, loss);
  return cudaPeekAtLastError();
}

cudaError_t soft_cross_entropy_grad(const float* dloss, const float* probs, const float* target, double gamma, float* dlogits,
                                    int64_t rows, int64_t columns, void* workspace, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  double *masses = static_cast<double*>(workspace), *factor = masses + rows;
  row_masses<<<blocks_of(rows), kThreads, 0, stream>>>(target, masses, rows, columns);
  soft_factor<<<1, kThreads, 0, stream>>>(dloss, masses, rows, factor);
  soft_gradient<<<blocks_of(rows), kThreads, 0, stream>>>(factor, probs, target, gamma, dlogits, rows, columns);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::loss
