#include "cuda/elementwise/elementwise.h"

#include "cuda/device/activation.cuh"
#include "cuda/device/map.cuh"

namespace flashbook::cuda::elementwise {
namespace {

// The operations as types of their own, so that a kernel's name in a profile says which it is.
struct Relu { __device__ float operator()(int64_t, float x) const { return x < 0.0f ? 0.0f : x; } };
struct Gelu { __device__ float operator()(int64_t, float x) const { return gelu(x); } };
struct GeluSlope { __device__ float operator()(int64_t, float x) const { return gelu_slope(x); } };
struct LeakyRelu {
  float slope;
  __device__ float operator()(int64_t, float x) const { return x > 0.0f ? x : __fmul_rn(slope, x); }
};
struct Tanh { __device__ float operator()(int64_t, float x) const { return tanhf(x); } };
struct Sigmoid { __device__ float operator()(int64_t, float x) const { return __fdiv_rn(1.0f, 1.0f + expf(-x)); } };
struct Exp { __device__ float operator()(int64_t, float x) const { return expf(x); } };
struct Log { __device__ float operator()(int64_t, float x) const { return logf(x); } };
struct Scale {
  float factor;
  __device__ float operator()(int64_t, float x) const { return __fmul_rn(x, factor); }
};

struct ReluGrad { __device__ float operator()(int64_t, float dy, float y) const { return y > 0.0f ? dy : 0.0f; } };
struct GeluGrad { __device__ float operator()(int64_t, float dy, float x) const { return dy * gelu_slope(x); } };
struct LeakyReluGrad {
  float slope;
  __device__ float operator()(int64_t, float dy, float y) const { return y > 0.0f ? dy : __fmul_rn(slope, dy); }
};
struct TanhGrad { __device__ float operator()(int64_t, float dy, float y) const { return dy * fmaf(-y, y, 1.0f); } };
struct SigmoidGrad { __device__ float operator()(int64_t, float dy, float y) const { return dy * (y * (1.0f - y)); } };

struct Add { __device__ float operator()(int64_t, float a, float b) const { return a + b; } };
struct Mul { __device__ float operator()(int64_t, float a, float b) const { return __fmul_rn(a, b); } };

// b repeated: read through the index.
struct AddRepeated {
  const float* b;
  int64_t period;
  __device__ float operator()(int64_t i, float a) const { return a + b[i % period]; }
};
struct MulRepeated {
  const float* b;
  int64_t period;
  __device__ float operator()(int64_t i, float a) const { return __fmul_rn(a, b[i % period]); }
};
struct Standardize {
  const float *mean, *inverse_std;
  float clip;
  int64_t period;
  // Two roundings, no fused multiply-add; NaN stays.
  __device__ float operator()(int64_t i, float x) const {
    const int64_t c = i % period;
    const float z = __fmul_rn(__fsub_rn(x, mean[c]), inverse_std[c]);
    return z < -clip ? -clip : z > clip ? clip : z;
  }
};

}  // namespace

cudaError_t unary(Unary operation, const float* x, float parameter, float* y, int64_t n, cudaStream_t stream) {
  switch (operation) {
    case Unary::relu: return launch_map(x, y, n, stream, Relu{});
    case Unary::gelu: return launch_map(x, y, n, stream, Gelu{});
    case Unary::gelu_slope: return launch_map(x, y, n, stream, GeluSlope{});
    case Unary::leaky_relu: return launch_map(x, y, n, stream, LeakyRelu{parameter});
    case Unary::tanh: return launch_map(x, y, n, stream, Tanh{});
    case Unary::sigmoid: return launch_map(x, y, n, stream, Sigmoid{});
    case Unary::exp: return launch_map(x, y, n, stream, Exp{});
    case Unary::log: return launch_map(x, y, n, stream, Log{});
    case Unary::scale: return launch_map(x, y, n, stream, Scale{parameter});
  }
  return cudaErrorInvalidValue;
}

cudaError_t gradient(Gradient operation, const float* dy, const float* x, float parameter, float* dx, int64_t n,
                     cudaStream_t stream) {
  switch (operation) {
    case Gradient::relu: return launch_map(dy, x, dx, n, stream, ReluGrad{});
    case Gradient::gelu: return launch_map(dy, x, dx, n, stream, GeluGrad{});
    case Gradient::leaky_relu: return launch_map(dy, x, dx, n, stream, LeakyReluGrad{parameter});
    case Gradient::tanh: return launch_map(dy, x, dx, n, stream, TanhGrad{});
    case Gradient::sigmoid: return launch_map(dy, x, dx, n, stream, SigmoidGrad{});
  }
  return cudaErrorInvalidValue;
}

cudaError_t binary(Binary operation, const float* a, const float* b, float* y, int64_t n, int64_t period, cudaStream_t stream) {
  const bool add = operation == Binary::add;
  if (period == n) return add ? launch_map(a, b, y, n, stream, Add{}) : launch_map(a, b, y, n, stream, Mul{});
  return add ? launch_map(a, y, n, stream, AddRepeated{b, period}) : launch_map(a, y, n, stream, MulRepeated{b, period});
}

cudaError_t standardize(const float* x, const float* mean, const float* inverse_std, float clip, float* y, int64_t n,
                        int64_t period, cudaStream_t stream) {
  return launch_map(x, y, n, stream, Standardize{mean, inverse_std, clip, period});
}

}  // namespace flashbook::cuda::elementwise
