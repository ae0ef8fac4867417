// Updates of parameters and gradients over one stretch of a tensor, in place, float32. The steps cut every tensor of a model
// into such stretches, so that one step serves a whole list of tensors.
//
//   adam      Kingma & Ba 2015 (arXiv:1412.6980, algorithm 1) with weight decay added to the gradient (l2), or decoupled from it
//             (weight_decay: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, scaled by the learning rate as PyTorch has it):
//               g = grad·coefficient + l2·p                          (the coefficient is that of gradient clipping)
//               p = p − learning_rate·weight_decay·p
//               m = beta1·m + (1−beta1)·g,   v = beta2·v + (1−beta2)·g²
//               p = p − learning_rate·(m/correction1) / (√(v/correction2) + eps)         correction_i = 1 − beta_iᵗ
//   sgd       g = grad·coefficient + l2·p;  b = momentum·b + g;  p = p − learning_rate·(nesterov ? g + momentum·b : b)
//             Sutskever et al. 2013, in the form of torch.optim.SGD with dampening 0.
//   lamb      You et al. 2020 (arXiv:1904.00962, algorithm 2): m and v as adam without l2;
//               r = (m/correction1) / (√(v/correction2) + eps) + weight_decay·p
//             lamb_moments stores m and v and adds Σp² and Σr²; lamb_apply computes r again and takes p = p − rate·r with
//             rate = learning_rate·‖p‖/‖r‖ over the whole tensor.
//   blend     to = a·to + b·from; where a is 0, to = b·from whatever `to` held
//   ascent    Foret et al. 2021 (arXiv:2010.01412, eq. 2) and Kwon et al. 2021 (arXiv:2102.11600, eq. 6): with T = |p| + eta where
//             adaptive, else 1:  ascent_squares = Σ(T·g)²,  ascend: p = p + scale·T²·g
//   centre    each row of grad less its mean (Yong et al. 2020, arXiv:2004.01461, eq. 1); the mean is summed as sum_vectors does
//   clamp     −limit ≤ grad ≤ limit; NaN stays NaN
//
// Error of one step against float64 from the same state: ≤ 4e-7 of |p| + |update|; m and v ≤ 2 ulp; sums of squares as reduce.h says.
// No split over threads changes a bit: each element stands alone, and sums are those of one stretch.
// Fast path: one pass; adam 4 loads and 3 stores a vector; bound by memory bandwidth beyond the cache. Measured on a million
// parameters in L3 (Zen 4, one core, AVX-512, FMA peak 109 GFLOP/s): adam 0.5 ms, 55 GB/s.
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct AdamSettings {
  float learning_rate, beta1, beta2, eps, correction1, correction2, weight_decay, l2, coefficient;
};

struct SgdSettings {
  float learning_rate, momentum, l2, coefficient;
  bool nesterov;
};

struct LambSums {
  double parameter, update;   // Σp², Σr²
};

struct OptimKernels {
  void (*adam)(float* param, const float* grad, float* m, float* v, int64_t n, const AdamSettings& settings);
  void (*sgd)(float* param, const float* grad, float* buffer, int64_t n, const SgdSettings& settings);
  LambSums (*lamb_moments)(const float* param, const float* grad, float* m, float* v, int64_t n, const AdamSettings& settings);
  void (*lamb_apply)(float* param, const float* m, const float* v, int64_t n, const AdamSettings& settings, float rate);
  void (*blend)(float* to, const float* from, int64_t n, float a, float b);
  double (*ascent_squares)(const float* param, const float* grad, int64_t n, bool adaptive, float eta);
  void (*ascend)(float* param, const float* grad, int64_t n, bool adaptive, float eta, float scale);
  void (*centre)(float* grad, int64_t rows, int64_t columns);
  void (*clamp)(float* grad, int64_t n, float limit);
};

const OptimKernels& optim_table(Isa isa);

}  // namespace flashbook
