#include "cuda/optim/optim.h"

#include "cuda/device/warp.cuh"

namespace flashbook::cuda::optim {
namespace {

struct AdamSettings { float learning_rate, beta1, beta2, eps, correction1, correction2, weight_decay, l2, coefficient; };

__device__ __forceinline__ AdamSettings settings_of(const float* hyper, const float* coefficient, int tensor) {
  const float* h = hyper + 8 * static_cast<int64_t>(tensor);
  return {h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], *coefficient};
}

// f(i) for the elements of the stretch, a block's threads side by side.
template <class F> __device__ __forceinline__ void for_elements(const Stretch& s, F f) {
  for (int i = threadIdx.x; i < s.count; i += kThreads) f(i);
}

__global__ void __launch_bounds__(kThreads) update_adam(List list, const float* __restrict__ hyper, const float* __restrict__ coefficient) {
  if (isnan(*coefficient)) return;   // the step is left out
  const Stretch s = list.stretches[blockIdx.x];
  const AdamSettings h = settings_of(hyper, coefficient, s.tensor);
  for_elements(s, [&](int i) {
    const float before = s.at[0][i];
    const float g = fmaf(h.l2, before, s.at[1][i] * h.coefficient);
    const float p = before - h.learning_rate * h.weight_decay * before;
    const float m = fmaf(h.beta1, s.at[2][i], (1.0f - h.beta1) * g);
    const float v = fmaf(h.beta2, s.at[3][i], (1.0f - h.beta2) * (g * g));
    s.at[2][i] = m;
    s.at[3][i] = v;
    s.at[0][i] = p - h.learning_rate * (m / h.correction1) / (sqrtf(v / h.correction2) + h.eps);
  });
}

__global__ void __launch_bounds__(kThreads) update_sgd(List list, const float* __restrict__ hyper, const float* __restrict__ coefficient) {
  if (isnan(*coefficient)) return;   // the step is left out
  const Stretch s = list.stretches[blockIdx.x];
  const float* h = hyper + 8 * static_cast<int64_t>(s.tensor);
  const float learning_rate = h[0], momentum = h[1], l2 = h[3], scale = *coefficient;
  const bool nesterov = h[2] != 0.0f;
  for_elements(s, [&](int i) {
    const float before = s.at[0][i];
    const float g = fmaf(l2, before, s.at[1][i] * scale);
    const float b = fmaf(momentum, s.at[2][i], g);
    s.at[2][i] = b;
    s.at[0][i] = before - learning_rate * (nesterov ? fmaf(momentum, b, g) : b);
  });
}

__device__ __forceinline__ float lamb_update(float p, float m, float v, const AdamSettings& h) {
  return (m / h.correction1) / (sqrtf(v / h.correction2) + h.eps) + h.weight_decay * p;
}

__global__ void __launch_bounds__(kThreads) lamb_moments(List list, const float* __restrict__ hyper, const float* __restrict__ coefficient,
                                                         double* sums) {
  __shared__ double shared[kThreads / 32];
  if (isnan(*coefficient)) return;   // the step is left out
  const Stretch s = list.stretches[blockIdx.x];
  const AdamSettings h = settings_of(hyper, coefficient, s.tensor);
  double parameter = 0, update = 0;
  for_elements(s, [&](int i) {
    const float g = s.at[1][i] * h.coefficient;
    const float m = fmaf(h.beta1, s.at[2][i], (1.0f - h.beta1) * g);
    const float v = fmaf(h.beta2, s.at[3][i], (1.0f - h.beta2) * (g * g));
    s.at[2][i] = m;
    s.at[3][i] = v;
    const double p = s.at[0][i], r = lamb_update(s.at[0][i], m, v, h);
    parameter = fma(p, p, parameter);
    update = fma(r, r, update);
  });
  parameter = block_sum(parameter, shared);
  update = block_sum(update, shared);
  if (threadIdx.x == 0) {
    sums[2 * blockIdx.x] = parameter;
    sums[2 * blockIdx.x + 1] = update;
  }
}

__global__ void __launch_bounds__(kThreads) lamb_rates(const float* __restrict__ hyper, const int32_t* __restrict__ first,
                                                       const double* __restrict__ sums, float* rates, int64_t tensors) {
  const int64_t t = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (t >= tensors) return;
  double parameter = 0, update = 0;
  for (int64_t i = first[t]; i < first[t + 1]; ++i) {
    parameter += sums[2 * i];
    update += sums[2 * i + 1];
  }
  const bool adapts = hyper[8 * t + 7] != 0.0f && parameter != 0 && update != 0;
  rates[t] = static_cast<float>(hyper[8 * t] * (adapts ? sqrt(parameter) / sqrt(update) : 1.0));
}

__global__ void __launch_bounds__(kThreads) lamb_apply(List list, const float* __restrict__ hyper, const float* __restrict__ coefficient,
                                                       const float* __restrict__ rates) {
  if (isnan(*coefficient)) return;
  const Stretch s = list.stretches[blockIdx.x];
  const AdamSettings h = settings_of(hyper, coefficient, s.tensor);
  const float rate = rates[s.tensor];
  for_elements(s, [&](int i) { s.at[0][i] -= rate * lamb_update(s.at[0][i], s.at[2][i], s.at[3][i], h); });
}

__device__ __forceinline__ double added_in_order(const double* partial, int64_t count, double* shared) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  return block_sum(sum, shared);
}

__global__ void __launch_bounds__(kThreads) stretch_squares(List list, double* partial) {
  __shared__ double shared[kThreads / 32];
  const Stretch s = list.stretches[blockIdx.x];
  double sum = 0;
  for_elements(s, [&](int i) {
    const double g = s.at[0][i];
    sum = fma(g, g, sum);
  });
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) clip_coefficient(const double* __restrict__ partial, int64_t count, double max_norm,
                                                             float* coefficient, float* norm_out) {
  __shared__ double shared[kThreads / 32];
  const double norm = sqrt(added_in_order(partial, count, shared)), limit = max_norm / (norm + 1e-6);
  if (threadIdx.x != 0) return;
  *norm_out = static_cast<float>(norm);
  const float clipped = max_norm <= 0 || limit > 1.0 ? 1.0f : static_cast<float>(limit);
  *coefficient = isfinite(static_cast<float>(norm)) ? clipped : nanf("");
}

__global__ void __launch_bounds__(kThreads) unscale_stretches(List list, const float* __restrict__ factor, double* partial) {
  __shared__ double shared[kThreads / 32];
  const Stretch s = list.stretches[blockIdx.x];
  const float scale = *factor;
  double sum = 0;
  for_elements(s, [&](int i) {
    const float g = __fmul_rn(s.at[0][i], scale);
    s.at[0][i] = g;
    sum = fma(static_cast<double>(g), static_cast<double>(g), sum);
  });
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) norm_of(const double* __restrict__ partial, int64_t count, float* norm) {
  __shared__ double shared[kThreads / 32];
  const double sum = added_in_order(partial, count, shared);
  if (threadIdx.x == 0) *norm = static_cast<float>(sqrt(sum));
}

__global__ void __launch_bounds__(kThreads) clamp_stretches(List list, float limit) {
  const Stretch s = list.stretches[blockIdx.x];
  for_elements(s, [&](int i) {
    const float g = s.at[0][i];
    s.at[0][i] = g > limit ? limit : g < -limit ? -limit : g;
  });
}

__global__ void __launch_bounds__(kThreads) blend_stretches(List list, const float* __restrict__ weights) {
  const Stretch s = list.stretches[blockIdx.x];
  const float a = weights[0], b = weights[1];
  for_elements(s, [&](int i) {
    const float from = __fmul_rn(b, s.at[1][i]);
    s.at[0][i] = a == 0.0f ? from : fmaf(a, s.at[0][i], from);
  });
}

__device__ __forceinline__ float scaling(float p, bool adaptive, float eta) { return adaptive ? fabsf(p) + eta : 1.0f; }

__global__ void __launch_bounds__(kThreads) ascent_squares(List list, const float* __restrict__ adaptive, float eta, double* partial) {
  __shared__ double shared[kThreads / 32];
  const Stretch s = list.stretches[blockIdx.x];
  const bool adapts = adaptive[s.tensor] != 0.0f;
  double sum = 0;
  for_elements(s, [&](int i) {
    const double g = scaling(s.at[0][i], adapts, eta) * s.at[1][i];
    sum = fma(g, g, sum);
  });
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// The norm stays in float64 in partial[count], so that the step's scale is that of the CPU.
__global__ void __launch_bounds__(kThreads) ascent_norm(double* partial, int64_t count, float* norm_out) {
  __shared__ double shared[kThreads / 32];
  const double norm = sqrt(added_in_order(partial, count, shared));
  if (threadIdx.x != 0) return;
  partial[count] = norm;
  *norm_out = static_cast<float>(norm);
}

__global__ void __launch_bounds__(kThreads) ascend_stretches(List list, const float* __restrict__ adaptive, double rho, float eta,
                                                             const double* __restrict__ norm) {
  const Stretch s = list.stretches[blockIdx.x];
  const bool adapts = adaptive[s.tensor] != 0.0f;
  const float scale = static_cast<float>(rho / (*norm + 1e-12));
  for_elements(s, [&](int i) {
    const float t = scaling(s.at[0][i], adapts, eta);
    s.at[0][i] += scale * (t * t * s.at[1][i]);
  });
}

__global__ void __launch_bounds__(kThreads) centre_rows(const Row* __restrict__ rows) {
  __shared__ double shared[kThreads / 32];
  const Row row = rows[blockIdx.x];
  double sum = 0;
  for (int64_t c = threadIdx.x; c < row.columns; c += kThreads) sum += row.at[c];
  const float mean = static_cast<float>(block_sum(sum, shared) / static_cast<double>(row.columns));
  for (int64_t c = threadIdx.x; c < row.columns; c += kThreads) row.at[c] -= mean;
}

unsigned blocks(const List& list) { return static_cast<unsigned>(list.count); }

}  // namespace

cudaError_t adam(const List& list, const float* hyper, const float* coefficient, cudaStream_t stream) {
  update_adam<<<blocks(list), kThreads, 0, stream>>>(list, hyper, coefficient);
  return cudaPeekAtLastError();
}
cudaError_t sgd(const List& list, const float* hyper, const float* coefficient, cudaStream_t stream) {
  update_sgd<<<blocks(list), kThreads, 0, stream>>>(list, hyper, coefficient);
  return cudaPeekAtLastError();
}
cudaError_t lamb(const List& list, const float* hyper, const float* coefficient, const int32_t* first, int64_t tensors, double* sums,
                 float* rates, cudaStream_t stream) {
  lamb_moments<<<blocks(list), kThreads, 0, stream>>>(list, hyper, coefficient, sums);
  lamb_rates<<<blocks_for(tensors, kThreads), kThreads, 0, stream>>>(hyper, first, sums, rates, tensors);
  lamb_apply<<<blocks(list), kThreads, 0, stream>>>(list, hyper, coefficient, rates);
  return cudaPeekAtLastError();
}
cudaError_t clip_norm(const List& list, double max_norm, double* partial, float* coefficient, float* norm, cudaStream_t stream) {
  stretch_squares<<<blocks(list), kThreads, 0, stream>>>(list, partial);
  clip_coefficient<<<1, kThreads, 0, stream>>>(partial, list.count, max_norm, coefficient, norm);
  return cudaPeekAtLastError();
}
cudaError_t unscale(const List& list, const float* factor, double* partial, float* norm, cudaStream_t stream) {
  unscale_stretches<<<blocks(list), kThreads, 0, stream>>>(list, factor, partial);
  norm_of<<<1, kThreads, 0, stream>>>(partial, list.count, norm);
  return cudaPeekAtLastError();
}
cudaError_t clamp(const List& list, float limit, cudaStream_t stream) {
  clamp_stretches<<<blocks(list), kThreads, 0, stream>>>(list, limit);
  return cudaPeekAtLastError();
}
cudaError_t blend(const List& list, const float* weights, cudaStream_t stream) {
  blend_stretches<<<blocks(list), kThreads, 0, stream>>>(list, weights);
  return cudaPeekAtLastError();
}
cudaError_t ascend(const List& list, const float* adaptive, double rho, float eta, double* partial, float* norm, cudaStream_t stream) {
  ascent_squares<<<blocks(list), kThreads, 0, stream>>>(list, adaptive, eta, partial);
  ascent_norm<<<1, kThreads, 0, stream>>>(partial, list.count, norm);
  ascend_stretches<<<blocks(list), kThreads, 0, stream>>>(list, adaptive, rho, eta, partial + list.count);
  return cudaPeekAtLastError();
}
cudaError_t centre(const Row* rows, int64_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  centre_rows<<<static_cast<unsigned>(count), kThreads, 0, stream>>>(rows);
  return cudaPeekAtLastError();
}

}  // namespace flashbook::cuda::optim
