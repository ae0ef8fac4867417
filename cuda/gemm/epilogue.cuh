// What happens to an element of a product before it is stored: + bias, activation, · factor, + residual, one rounding each.
#pragma once

#include "cuda/device/activation.cuh"
#include "cuda/gemm/gemm.h"

namespace flashbook::cuda::gemm {

struct Epilogue {
  float* c;
  const float* bias;
  const float* residual;
  Activation activation;
  const float* factor = nullptr;

  __device__ __forceinline__ float value(float sum, int64_t row, int column, int n) const {
    if (bias != nullptr) sum = __fadd_rn(sum, bias[column]);
    if (activation == Activation::relu) sum = relu(sum);
    if (activation == Activation::gelu) sum = gelu(sum);
    if (factor != nullptr) sum = __fmul_rn(sum, factor[row * n + column]);
    if (residual != nullptr) sum = __fadd_rn(sum, residual[row * n + column]);
    return sum;
  }

  // Elements `column` and `column` + 1 of a row; 8 bytes at once where rows keep that alignment.
  __device__ __forceinline__ void store_pair(float first, float second, int64_t row, int column, int n) const {
    const int64_t at = row * n + column;
    if (n % 2 != 0) {
      if (column < n) c[at] = value(first, row, column, n);
      if (column + 1 < n) c[at + 1] = value(second, row, column + 1, n);
      return;
    }
    if (column >= n) return;
    float2 sum = {first, second};
    if (bias != nullptr) {
      const float2 add = *reinterpret_cast<const float2*>(bias + column);
      sum = {__fadd_rn(sum.x, add.x), __fadd_rn(sum.y, add.y)};
    }
    if (activation == Activation::relu) sum = {relu(sum.x), relu(sum.y)};
    if (activation == Activation::gelu) sum = {gelu(sum.x), gelu(sum.y)};
    if (factor != nullptr) {
      const float2 times = *reinterpret_cast<const float2*>(factor + at);
      sum = {__fmul_rn(sum.x, times.x), __fmul_rn(sum.y, times.y)};
    }
    if (residual != nullptr) {
      const float2 add = *reinterpret_cast<const float2*>(residual + at);
      sum = {__fadd_rn(sum.x, add.x), __fadd_rn(sum.y, add.y)};
    }
    *reinterpret_cast<float2*>(c + at) = sum;
  }

  // Elements `column` … `column` + 3 of a row, `column` a multiple of 4; 16 bytes at once where rows keep that alignment.
  __device__ __forceinline__ void store_four(const float* sums, int64_t row, int column, int n) const {
    if (n % 4 != 0) {
      store_pair(sums[0], sums[1], row, column, n);
      store_pair(sums[2], sums[3], row, column + 2, n);
      return;
    }
    if (column >= n) return;
    const int64_t at = row * n + column;
    float4 sum = {sums[0], sums[1], sums[2], sums[3]};
    if (bias != nullptr) sum = added(sum, *reinterpret_cast<const float4*>(bias + column));
    if (activation != Activation::none) {
      if (activation == Activation::relu) sum = {relu(sum.x), relu(sum.y), relu(sum.z), relu(sum.w)};
      if (activation == Activation::gelu) sum = {gelu(sum.x), gelu(sum.y), gelu(sum.z), gelu(sum.w)};
    }
    if (factor != nullptr) {
      const float4 times = *reinterpret_cast<const float4*>(factor + at);
      sum = {__fmul_rn(sum.x, times.x), __fmul_rn(sum.y, times.y), __fmul_rn(sum.z, times.z), __fmul_rn(sum.w, times.w)};
    }
    if (residual != nullptr) sum = added(sum, *reinterpret_cast<const float4*>(residual + at));
    *reinterpret_cast<float4*>(c + at) = sum;
  }

  static __device__ __forceinline__ float4 added(float4 a, float4 b) {
    return {__fadd_rn(a.x, b.x), __fadd_rn(a.y, b.y), __fadd_rn(a.z, b.z), __fadd_rn(a.w, b.w)};
  }
};

}  // namespace flashbook::cuda::gemm
