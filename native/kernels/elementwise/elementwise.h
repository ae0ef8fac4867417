// Elementwise kernels over float32 arrays of n elements. The output may be any of the inputs, never a shifted part of one.
//
//   relu            y = x < 0 ? 0 : x                      NaN stays, −0 stays
//   relu_grad       dx = y > 0 ? dy : 0
//   gelu            y = x·Φ(x), exact (Hendrycks & Gimpel 2016, arXiv:1606.08415)     error ≤ 2e-7·|x|
//   gelu_grad       dx = dy·(Φ(x) + x·φ(x))                                           error ≤ 3e-7·|dy|
//   gelu_with_slope y = gelu(x), slope = Φ(x) + x·φ(x): gelu_grad is then dy·slope  the two, to the bit
//   leaky_relu      y = x > 0 ? x : slope·x                NaN stays;  leaky_relu_grad  dx = y > 0 ? dy : slope·dy
//   tanh            error ≤ 2 ulp;                         tanh_grad        dx = dy·(1 − y²)
//   sigmoid         y = 1/(1 + e⁻ˣ), error ≤ 3 ulp;        sigmoid_grad     dx = dy·(y·(1 − y))
//   exp             error ≤ 1 ulp
//   add, mul        y = a + b, a·b, with b repeated every `period` elements (period = n: no repetition)
//   scale           y = x·factor
//   standardize     y = clamp((x − mean)·inverse_std, −clip, clip), mean and inverse_std repeated every `period`
//                   elements; two roundings, no fused multiply-add; NaN stays
//
// All but those with a bound give the bits of the plain formula. Each element's result does not
// depend on where a range starts or ends, so any split over threads gives the same bits.
//
// Fast path: whole vectors, the tail under a mask. A short period (a bias, a scaler of 6 features) is first written out
// into a buffer of a few hundred elements, so that the loop over it is again whole vectors.
// Measured in L2 (Zen 4, one core, AVX-512, FMA peak 109 GFLOP/s): add 90 to 110 GB/s, gelu 0.34 and gelu_grad
// 0.38 ns an element (AVX2: 0.41, 0.45).

#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct ElementwiseKernels {
  void (*relu)(const float* x, float* y, int64_t n);
  void (*relu_grad)(const float* dy, const float* y, float* dx, int64_t n);
  void (*gelu)(const float* x, float* y, int64_t n);
  void (*gelu_grad)(const float* dy, const float* x, float* dx, int64_t n);
  void (*gelu_with_slope)(const float* x, float* y, float* slope, int64_t n);
  void (*add)(const float* a, const float* b, float* y, int64_t n, int64_t period);
  void (*mul)(const float* a, const float* b, float* y, int64_t n, int64_t period);
  void (*scale)(const float* x, float factor, float* y, int64_t n);
  void (*standardize)(const float* x, const float* mean, const float* inverse_std, float clip, float* y, int64_t n,
                      int64_t period);
  void (*leaky_relu)(const float* x, float slope, float* y, int64_t n);
  void (*leaky_relu_grad)(const float* dy, const float* y, float slope, float* dx, int64_t n);
  void (*tanh)(const float* x, float* y, int64_t n);
  void (*tanh_grad)(const float* dy, const float* y, float* dx, int64_t n);
  void (*sigmoid)(const float* x, float* y, int64_t n);
  void (*sigmoid_grad)(const float* dy, const float* y, float* dx, int64_t n);
  void (*exp)(const float* x, float* y, int64_t n);
};

const ElementwiseKernels& elementwise_table(Isa isa);

}  // namespace flashbook
