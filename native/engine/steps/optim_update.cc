// Steps update_adam, update_sgd, update_lamb: kernels/optim/optim.h has the formulas. Each updates a list of n tensors at once.
//   update_adam, update_lamb   (param, grad, m, v) × n, hyper (n, 8), coefficient (1) → (param, m, v) × n
//   update_sgd                 (param, grad, buffer) × n, hyper (n, 8), coefficient (1) → (param, buffer) × n
// Outputs are the inputs of the same name, updated in place. Row t of hyper is read at every run:
//   adam   learning rate, beta1, beta2, eps, 1 − beta1ᵗ, 1 − beta2ᵗ, decoupled weight decay, weight decay in the gradient
//   lamb   learning rate, beta1, beta2, eps, 1 − beta1ᵗ, 1 − beta2ᵗ, weight decay, 1: by trust ratio, 0: without
//   sgd    learning rate, momentum, 1: Nesterov, weight decay, 0, 0, 0, 0
// The trust ratio is ‖param‖/‖update‖, 1 where either is 0. A coefficient that is NaN, as clip_norm gives it for gradients that are not
// finite, leaves the step out: nothing changes.
#include "kernels/optim/optim.h"

#include <cmath>

#include "engine/steps/tensor_list.h"

namespace flashbook {
namespace {

const std::vector<const char*> kMoments = {"param", "grad", "m", "v"};
const std::vector<const char*> kBuffer = {"param", "grad", "buffer"};

class Update : public Step {
 public:
  Update(const BindContext& context, const std::vector<const char*>& each, const std::vector<size_t>& stored, double per_element)
      : kernels_(optim_table(context.isa())), list_(context, each, 2), per_element_(per_element),
        streams_(static_cast<double>(each.size() + stored.size())) {
    hyper_ = expect(context.input(list_.shared(0)), DType::f32, {list_.tensors(), 8}, "hyper").as<float>();
    coefficient_ = expect(context.input(list_.shared(1)), DType::f32, {1}, "coefficient").as<float>();
    list_.expect_outputs(context, stored, each, 0);
  }
  double flops() const override { return per_element_ * static_cast<double>(list_.elements()); }
  double bytes() const override { return 4.0 * streams_ * static_cast<double>(list_.elements()); }

 protected:
  bool left_out() const { return std::isnan(*coefficient_); }
  AdamSettings adam_settings(int64_t tensor) const {
    const float* h = hyper_ + 8 * tensor;
    return {.learning_rate = h[0], .beta1 = h[1], .beta2 = h[2], .eps = h[3], .correction1 = h[4], .correction2 = h[5],
            .weight_decay = h[6], .l2 = h[7], .coefficient = *coefficient_};
  }

  const OptimKernels& kernels_;
  TensorList list_;
  const float *hyper_, *coefficient_;

 private:
  double per_element_, streams_;
};

class Adam final : public Update {
 public:
  explicit Adam(const BindContext& context) : Update(context, kMoments, {0, 2, 3}, 14) {}
  void run(RunContext& context) override {
    if (left_out()) return;
    list_.run(context.pool, [&](int64_t, const Stretch& s) {
      kernels_.adam(list_.at(s, 0), list_.at(s, 1), list_.at(s, 2), list_.at(s, 3), s.count, adam_settings(s.tensor));
    });
  }
};

class Sgd final : public Update {
 public:
  explicit Sgd(const BindContext& context) : Update(context, kBuffer, {0, 2}, 7) {}
  void run(RunContext& context) override {
    if (left_out()) return;
    list_.run(context.pool, [&](int64_t, const Stretch& s) {
      const float* h = hyper_ + 8 * s.tensor;
      const SgdSettings settings = {.learning_rate = h[0], .momentum = h[1], .l2 = h[3], .coefficient = *coefficient_,
                                    .nesterov = h[2] != 0.0f};
      kernels_.sgd(list_.at(s, 0), list_.at(s, 1), list_.at(s, 2), s.count, settings);
    });
  }
};

class Lamb final : public Update {
 public:
  explicit Lamb(BindContext& context) : Update(context, kMoments, {0, 2, 3}, 24) {
    context.workspace(list_.stretches().size() * sizeof(LambSums) + static_cast<size_t>(list_.tensors()) * sizeof(float));
  }
  void run(RunContext& context) override {
    if (left_out()) return;
    LambSums* sums = reinterpret_cast<LambSums*>(context.workspace);                         // one a stretch
    float* rates = reinterpret_cast<float*>(sums + list_.stretches().size());                // one a tensor
    list_.run(context.pool, [&](int64_t i, const Stretch& s) {
      sums[i] = kernels_.lamb_moments(list_.at(s, 0), list_.at(s, 1), list_.at(s, 2), list_.at(s, 3), s.count, adam_settings(s.tensor));
    });
    size_t i = 0;
    for (int64_t t = 0; t < list_.tensors(); ++t) {
      LambSums total = {0, 0};
      for (; i < list_.stretches().size() && list_.stretches()[i].tensor == t; ++i) {
        total.parameter += sums[i].parameter;
        total.update += sums[i].update;
      }
      const bool adapts = hyper_[8 * t + 7] != 0.0f && total.parameter != 0 && total.update != 0;
      rates[t] = static_cast<float>(hyper_[8 * t] * (adapts ? std::sqrt(total.parameter) / std::sqrt(total.update) : 1.0));
    }
    list_.run(context.pool, [&](int64_t, const Stretch& s) {
      kernels_.lamb_apply(list_.at(s, 0), list_.at(s, 2), list_.at(s, 3), s.count, adam_settings(s.tensor), rates[s.tensor]);
    });
  }
};

}  // namespace

std::unique_ptr<Step> bind_update_adam(BindContext& context) { return std::make_unique<Adam>(context); }
std::unique_ptr<Step> bind_update_sgd(BindContext& context) { return std::make_unique<Sgd>(context); }
std::unique_ptr<Step> bind_update_lamb(BindContext& context) { return std::make_unique<Lamb>(context); }

}  // namespace flashbook
