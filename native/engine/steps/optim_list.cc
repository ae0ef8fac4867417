// Steps over lists of gradients and parameters; kernels/optim/optim.h and kernels/reduce/reduce.h have the formulas.
//   clip_norm {maxNorm}    grad × n → coefficient (1), norm (1): the global norm, and min(1, maxNorm/(norm + 1e-6)) as PyTorch's
//                          clip_grad_norm_; maxNorm ≤ 0: 1. A norm that is not finite gives NaN, which tells updates to do nothing.
//   clamp_list {limit}     grad × n → grad × n
//   centre_list            grad × n → grad × n, each less the mean over all axes but the first; tensors of one axis stay as they are
//   unscale_list           grad × n, factor (1) → grad × n, norm (1): grad = factor·grad, and the norm of all of them afterwards
//   blend_list             (to, from) × n, weights (2) → to × n: to = weights[0]·to + weights[1]·from
//   ascend_list {rho, eta} (param, grad) × n, adaptive (n) → param × n, norm (1): param += rho/(norm + 1e-12)·T²·grad with
//                          norm = ‖T·grad‖ over the whole list
// Outputs of the names of inputs are those inputs, updated in place.
#include "kernels/elementwise/elementwise.h"
#include "kernels/optim/optim.h"
#include "kernels/reduce/reduce.h"

#include <cmath>

#include "engine/steps/tensor_list.h"

namespace flashbook {
namespace {

const std::vector<const char*> kGrad = {"grad"};
const std::vector<const char*> kBlend = {"to", "from"};
const std::vector<const char*> kAscent = {"param", "grad"};

double sum_in_order(const double* parts, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += parts[i];
  return sum;
}

class ClipNorm final : public Step {
 public:
  explicit ClipNorm(BindContext& context)
      : kernels_(reduce_table(context.isa())), list_(context, kGrad, 0), max_norm_(context.number("maxNorm")) {
    if (context.output_count() != 2) throw BindError("expected 2 outputs but received " + std::to_string(context.output_count()));
    coefficient_ = expect(context.output(0), DType::f32, {1}, "coefficient").as<float>();
    norm_ = expect(context.output(1), DType::f32, {1}, "norm").as<float>();
    context.workspace(list_.stretches().size() * sizeof(double));
  }
  void run(RunContext& context) override {
    double* partial = reinterpret_cast<double*>(context.workspace);
    list_.run(context.pool, [&](int64_t i, const Stretch& s) { partial[i] = kernels_.sum_squares(list_.at(s, 0), s.count); });
    const double norm = std::sqrt(sum_in_order(partial, list_.stretches().size())), limit = max_norm_ / (norm + 1e-6);
    *norm_ = static_cast<float>(norm);
    const float clipped = max_norm_ <= 0 || limit > 1.0 ? 1.0f : static_cast<float>(limit);
    *coefficient_ = std::isfinite(*norm_) ? clipped : NAN;
  }
  double flops() const override { return 2.0 * static_cast<double>(list_.elements()); }
  double bytes() const override { return 4.0 * static_cast<double>(list_.elements()); }

 private:
  const ReduceKernels& kernels_;
  TensorList list_;
  double max_norm_;
  float *coefficient_, *norm_;
};

class Clamp final : public Step {
 public:
  explicit Clamp(const BindContext& context)
      : kernels_(optim_table(context.isa())), list_(context, kGrad, 0), limit_(static_cast<float>(context.number("limit"))) {
    if (!(limit_ > 0)) attribute_error("limit", "a number above 0", limit_);
    list_.expect_outputs(context, {0}, kGrad, 0);
  }
  void run(RunContext& context) override {
    list_.run(context.pool, [&](int64_t, const Stretch& s) { kernels_.clamp(list_.at(s, 0), s.count, limit_); });
  }
  double flops() const override { return 2.0 * static_cast<double>(list_.elements()); }
  double bytes() const override { return 8.0 * static_cast<double>(list_.elements()); }

 private:
  const OptimKernels& kernels_;
  TensorList list_;
  float limit_;
};

class Centre final : public Step {
 public:
  explicit Centre(const BindContext& context) : kernels_(optim_table(context.isa())), list_(context, kGrad, 0) {
    list_.expect_outputs(context, {0}, kGrad, 0);
  }
  void run(RunContext& context) override {
    split_range(context.pool, list_.tensors(), 1, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const std::vector<int64_t>& shape = list_.shape(t);
        if (shape.size() < 2) continue;
        int64_t columns = 1;
        for (size_t d = 1; d < shape.size(); ++d) columns *= shape[d];
        kernels_.centre(list_.whole(t, 0), shape[0], columns);
      }
    });
  }
  double flops() const override { return 2.0 * static_cast<double>(list_.elements()); }
  double bytes() const override { return 8.0 * static_cast<double>(list_.elements()); }

 private:
  const OptimKernels& kernels_;
  TensorList list_;
};

class Unscale final : public Step {
 public:
  explicit Unscale(BindContext& context)
      : elementwise_(elementwise_table(context.isa())), reduce_(reduce_table(context.isa())), list_(context, kGrad, 1) {
    factor_ = expect(context.input(list_.shared(0)), DType::f32, {1}, "factor").as<float>();
    list_.expect_outputs(context, {0}, kGrad, 1);
    norm_ = expect(context.output(static_cast<size_t>(list_.tensors())), DType::f32, {1}, "norm").as<float>();
    context.workspace(list_.stretches().size() * sizeof(double));
  }
  void run(RunContext& context) override {
    double* partial = reinterpret_cast<double*>(context.workspace);
    list_.run(context.pool, [&](int64_t i, const Stretch& s) {
      float* grad = list_.at(s, 0);
      elementwise_.scale(grad, *factor_, grad, s.count);
      partial[i] = reduce_.sum_squares(grad, s.count);
    });
    *norm_ = static_cast<float>(std::sqrt(sum_in_order(partial, list_.stretches().size())));
  }
  double flops() const override { return 3.0 * static_cast<double>(list_.elements()); }
  double bytes() const override { return 8.0 * static_cast<double>(list_.elements()); }

 private:
  const ElementwiseKernels& elementwise_;
  const ReduceKernels& reduce_;
  TensorList list_;
  const float* factor_;
  float* norm_;
};

class Blend final : public Step {
 public:
  explicit Blend(const BindContext& context) : kernels_(optim_table(context.isa())), list_(context, kBlend, 1) {
    weights_ = expect(context.input(list_.shared(0)), DType::f32, {2}, "weights").as<float>();
    list_.expect_outputs(context, {0}, kBlend, 0);
  }
  void run(RunContext& context) override {
    list_.run(context.pool, [&](int64_t, const Stretch& s) {
      kernels_.blend(list_.at(s, 0), list_.at(s, 1), s.count, weights_[0], weights_[1]);
    });
  }
  double flops() const override { return 3.0 * static_cast<double>(list_.elements()); }
  double bytes() const override { return 12.0 * static_cast<double>(list_.elements()); }

 private:
  const OptimKernels& kernels_;
  TensorList list_;
  const float* weights_;
};

class Ascend final : public Step {
 public:
  explicit Ascend(BindContext& context)
      : kernels_(optim_table(context.isa())), list_(context, kAscent, 1), rho_(context.number("rho")),
        eta_(static_cast<float>(context.number("eta"))) {
    if (!(rho_ >= 0)) attribute_error("rho", "a number of at least 0", rho_);
    if (!(eta_ >= 0)) attribute_error("eta", "a number of at least 0", eta_);
    adaptive_ = expect(context.input(list_.shared(0)), DType::f32, {list_.tensors()}, "adaptive").as<float>();
    list_.expect_outputs(context, {0}, kAscent, 1);
    norm_ = expect(context.output(static_cast<size_t>(list_.tensors())), DType::f32, {1}, "norm").as<float>();
    context.workspace(list_.stretches().size() * sizeof(double));
  }
  void run(RunContext& context) override {
    double* partial = reinterpret_cast<double*>(context.workspace);
    list_.run(context.pool, [&](int64_t i, const Stretch& s) {
      partial[i] = kernels_.ascent_squares(list_.at(s, 0), list_.at(s, 1), s.count, adaptive_[s.tensor] != 0.0f, eta_);
    });
    const double norm = std::sqrt(sum_in_order(partial, list_.stretches().size()));
    const float scale = static_cast<float>(rho_ / (norm + 1e-12));
    list_.run(context.pool, [&](int64_t, const Stretch& s) {
      kernels_.ascend(list_.at(s, 0), list_.at(s, 1), s.count, adaptive_[s.tensor] != 0.0f, eta_, scale);
    });
    *norm_ = static_cast<float>(norm);
  }
  double flops() const override { return 8.0 * static_cast<double>(list_.elements()); }
  double bytes() const override { return 20.0 * static_cast<double>(list_.elements()); }

 private:
  const OptimKernels& kernels_;
  TensorList list_;
  double rho_;
  float eta_;
  const float* adaptive_;
  float* norm_;
};

}  // namespace

std::unique_ptr<Step> bind_clip_norm(BindContext& context) { return std::make_unique<ClipNorm>(context); }
std::unique_ptr<Step> bind_clamp_list(BindContext& context) { return std::make_unique<Clamp>(context); }
std::unique_ptr<Step> bind_centre_list(BindContext& context) { return std::make_unique<Centre>(context); }
std::unique_ptr<Step> bind_unscale_list(BindContext& context) { return std::make_unique<Unscale>(context); }
std::unique_ptr<Step> bind_blend_list(BindContext& context) { return std::make_unique<Blend>(context); }
std::unique_ptr<Step> bind_ascend_list(BindContext& context) { return std::make_unique<Ascend>(context); }

}  // namespace flashbook
