// Steps lstm, lstm_grad: kernels/recurrent/recurrent.h has the gates' formulas, kernels/gemm/gemm.h the products,
// kernels/bgemm/bgemm.h those of the attribute precision 'bf16'.
//   lstm        x (B,T,I), wHidden (4H,H), wInput (4H,I)?, bias (4H)? → h (B,T,H), gates (B,T,4H), c (B,T,H)
//   lstm_grad   dh (B,T,H), wHidden, h, gates, c → dz (B,T,4H), before (B,T,H): h of the step before, 0 at the first
//
// The input of all steps is projected by one product before the first step, and the weights' gradients are one product each after the
// last (matmul steps: dzᵀ·x, dzᵀ·before); only h·wHiddenᵀ (dz·wHidden) is left for the steps. Samples do not depend on each other, so a thread takes some of them through all steps and
// never waits for another. wHidden is packed once and stays in L2. bench/sequence.mjs measures the share of the machine's peak.
#include <algorithm>
#include <cstring>

#include "engine/step.h"
#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"
#include "kernels/recurrent/recurrent.h"

namespace flashbook {
namespace {

constexpr int64_t kLeastRows = 16;   // samples of a group: fewer would waste the product's tiles

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t line(int64_t bytes) { return ceil_div(bytes, 64) * 64; }

// The product of one step for some samples: rows a_row apart, times wHiddenᵀ or wHidden.
class StepProduct {
 public:
  void bind(BindContext& context, const Operand& w, bool transposed) {
    kernels_ = &product_table(context);
    const int64_t gates = w.shape[0], hidden = w.shape[1];
    problem_.n = transposed ? gates : hidden;
    problem_.k = transposed ? hidden : gates;
    problem_.b = w.as<float>();
    problem_.b_row = transposed ? 1 : hidden;
    problem_.b_col = transposed ? hidden : 1;
    problem_.a_col = 1;
    problem_.a_row = problem_.k;
    const int64_t bytes = kernels_->packed_b_bytes(problem_.n, problem_.k);
    if (bytes == 0) return;
    if (context.frozen() && w.is_state) {
      const std::string layout = std::string(kernels_->layout) + ".lstm" + (transposed ? "" : ".transposed");
      problem_.packed_b = context.packed(w, layout, static_cast<size_t>(bytes),
                                         [this](void* to) { kernels_->pack_b(problem_, 0, problem_.n, to); });
    } else {
      packed_bytes_ = line(bytes);
    }
  }

  int64_t packed_bytes() const { return packed_bytes_; }

  int64_t scratch_bytes() const {
    gemm::Problem packed = problem_;
    packed.packed_b = problem_.b;   // any pointer: B will be packed
    return line(kernels_->scratch_bytes(packed, std::min(kernels_->block_columns, problem_.n)));
  }

  // Packs the weight if nobody did. To be called once in a run.
  gemm::Problem ready(std::byte* workspace) const {
    gemm::Problem problem = problem_;
    if (packed_bytes_ > 0) {
      kernels_->pack_b(problem_, 0, problem_.n, workspace);
      problem.packed_b = workspace;
    }
    return problem;
  }

  void run(gemm::Problem problem, const float* a, int64_t a_row, float* c, int64_t rows, void* scratch) const {
    problem.m = rows;
    problem.a = a;
    problem.a_row = a_row;
    problem.c = c;
    for (int64_t n0 = 0; n0 < problem.n; n0 += kernels_->block_columns) {
      kernels_->block(problem, 0, rows, n0, std::min(problem.n, n0 + kernels_->block_columns), scratch);
    }
  }

 private:
  const GemmKernels* kernels_ = nullptr;
  gemm::Problem problem_;
  int64_t packed_bytes_ = 0;
};

// Samples in groups that go through the steps together.
struct Groups {
  int64_t batch, rows, count;
  Groups(int64_t samples, int threads)
      : batch(samples), rows(std::max(kLeastRows, ceil_div(samples, std::max(1, threads)))), count(ceil_div(samples, rows)) {
    rows = std::min(rows, samples);
  }
};

class Lstm final : public Step {
 public:
  Lstm(BindContext& context, const Operand& x, const Operand& w_hidden, const Operand* w_input, const float* bias,
       const Operand& h, const Operand& gates, const Operand& c)
      : kernels_(recurrent_table(context.isa())), x_(x.as<float>()), bias_(bias), h_(h.as<float>()), gates_(gates.as<float>()),
        c_(c.as<float>()), batch_(x.shape[0]), steps_(x.shape[1]), columns_(x.shape[2]), hidden_(w_hidden.shape[1]),
        projected_(w_input != nullptr), groups_(batch_, context.pool().threads()) {
    product_.bind(context, w_hidden, true);
    recurrent_bytes_ = line(groups_.rows * 4 * hidden_ * 4);
    slot_bytes_ = recurrent_bytes_ + product_.scratch_bytes();
    context.workspace(static_cast<size_t>(product_.packed_bytes() + groups_.count * slot_bytes_));
    if (w_input == nullptr) return;
    gemm::Problem problem;
    problem.m = batch_ * steps_;
    problem.n = 4 * hidden_;
    problem.k = columns_;
    problem.a = x_;
    problem.a_row = columns_;
    problem.a_col = 1;
    problem.b = w_input->as<float>();
    problem.b_row = 1;
    problem.b_col = columns_;
    problem.c = gates_;
    problem.bias = bias;
    projection_.bind(context, problem, *w_input);
  }

  void run(RunContext& context) override {
    if (projected_) {
      projection_.run(context);
    } else {
      copy_input(context.pool);
    }
    const gemm::Problem shared = product_.ready(context.workspace);
    std::byte* slots = context.workspace + product_.packed_bytes();
    split_items(context.pool, groups_.count, static_cast<int>(groups_.count), [&](int64_t slot, int64_t group) {
      std::byte* own = slots + slot * slot_bytes_;
      float* recurrent = reinterpret_cast<float*>(own);
      const int64_t b = group * groups_.rows, rows = std::min(groups_.rows, batch_ - b);
      for (int64_t t = 0; t < steps_; ++t) {
        const int64_t at = (b * steps_ + t) * hidden_;
        if (t > 0) product_.run(shared, h_ + at - hidden_, steps_ * hidden_, recurrent, rows, own + recurrent_bytes_);
        kernels_.forward(t > 0 ? recurrent : nullptr, gates_ + 4 * at, t > 0 ? c_ + at - hidden_ : nullptr, c_ + at, h_ + at,
                         rows, steps_, hidden_);
      }
    });
  }
  double flops() const override {
    const double inputs = projected_ ? static_cast<double>(columns_) : 0.0, hidden = static_cast<double>(hidden_);
    return static_cast<double>(batch_ * steps_) * hidden * (8.0 * (hidden + inputs) + 100.0);
  }
  double bytes() const override {
    return 4.0 * static_cast<double>(batch_ * steps_ * (columns_ + 6 * hidden_) + 4 * hidden_ * (hidden_ + columns_));
  }

 private:
  // The input is projected already; a bias is added to it.
  void copy_input(ThreadPool& pool) {
    const int64_t width = 4 * hidden_;
    split_range(pool, batch_ * steps_, 1, 65536 / width + 1, [&](int64_t begin, int64_t end) {
      std::memcpy(gates_ + begin * width, x_ + begin * width, static_cast<size_t>((end - begin) * width) * sizeof(float));
      for (int64_t row = begin; bias_ != nullptr && row < end; ++row) {
        for (int64_t j = 0; j < width; ++j) gates_[row * width + j] += bias_[j];
      }
    });
  }

  const RecurrentKernels& kernels_;
  const float *x_, *bias_;
  float *h_, *gates_, *c_;
  int64_t batch_, steps_, columns_, hidden_;
  bool projected_;
  Groups groups_;
  StepProduct product_;
  GemmRun projection_;
  int64_t recurrent_bytes_ = 0, slot_bytes_ = 0;
};

class LstmGrad final : public Step {
 public:
  LstmGrad(BindContext& context, const Operand& dh, const Operand& w_hidden, const Operand& h, const Operand& gates,
           const Operand& c, const Operand& dz, const Operand& before)
      : kernels_(recurrent_table(context.isa())), dh_(dh.as<float>()), h_(h.as<float>()), gates_(gates.as<float>()),
        c_(c.as<float>()), dz_(dz.as<float>()), before_(before.as<float>()), batch_(dh.shape[0]), steps_(dh.shape[1]),
        hidden_(dh.shape[2]), groups_(batch_, context.pool().threads()) {
    product_.bind(context, w_hidden, false);
    carry_bytes_ = line(groups_.rows * hidden_ * 4);
    slot_bytes_ = 2 * carry_bytes_ + product_.scratch_bytes();
    context.workspace(static_cast<size_t>(product_.packed_bytes() + groups_.count * slot_bytes_));
  }

  void run(RunContext& context) override {
    const gemm::Problem shared = product_.ready(context.workspace);
    std::byte* slots = context.workspace + product_.packed_bytes();
    split_items(context.pool, groups_.count, static_cast<int>(groups_.count), [&](int64_t slot, int64_t group) {
      std::byte* own = slots + slot * slot_bytes_;
      float *dh_later = reinterpret_cast<float*>(own), *dc_later = reinterpret_cast<float*>(own + carry_bytes_);
      const int64_t b = group * groups_.rows, rows = std::min(groups_.rows, batch_ - b);
      std::memset(own, 0, static_cast<size_t>(2 * carry_bytes_));
      for (int64_t t = steps_ - 1; t >= 0; --t) {
        const int64_t at = (b * steps_ + t) * hidden_;
        if (t < steps_ - 1) {
          product_.run(shared, dz_ + 4 * (at + hidden_), steps_ * 4 * hidden_, dh_later, rows, own + 2 * carry_bytes_);
        }
        kernels_.backward(dh_ + at, dh_later, dc_later, gates_ + 4 * at, c_ + at, t > 0 ? c_ + at - hidden_ : nullptr,
                          dz_ + 4 * at, rows, steps_, hidden_);
      }
      const int64_t sequence = steps_ * hidden_;
      for (int64_t row = b; row < b + rows; ++row) {
        std::memset(before_ + row * sequence, 0, static_cast<size_t>(hidden_) * sizeof(float));
        std::memcpy(before_ + row * sequence + hidden_, h_ + row * sequence, static_cast<size_t>(sequence - hidden_) * sizeof(float));
      }
    });
  }
  double flops() const override {
    const double hidden = static_cast<double>(hidden_);
    return static_cast<double>(batch_ * steps_) * hidden * (8.0 * hidden + 40.0);
  }
  double bytes() const override {
    return 4.0 * static_cast<double>(batch_ * steps_ * 12 * hidden_ + 4 * hidden_ * hidden_);
  }

 private:
  const RecurrentKernels& kernels_;
  const float *dh_, *h_, *gates_, *c_;
  float *dz_, *before_;
  int64_t batch_, steps_, hidden_;
  Groups groups_;
  StepProduct product_;
  int64_t carry_bytes_ = 0, slot_bytes_ = 0;
};

void expect_some(const Operand& sequence, const char* name) {
  if (sequence.elements() < 1 || sequence.columns() > (1 << 24)) {
    throw BindError(std::string("expected at least one element and at most 16777216 columns for ") + name + " but received f32 " +
                    shape_text(sequence.shape));
  }
}

}  // namespace

std::unique_ptr<Step> bind_lstm(BindContext& context) {
  expect_counts(context, 2, 4, 3);
  const Operand& x = expect(context.input(0), DType::f32, {kAnySize, kAnySize, kAnySize}, "x");
  const Operand& h = expect(context.output(0), DType::f32, {x.shape[0], x.shape[1], kAnySize}, "h");
  expect_some(x, "x");
  expect_some(h, "h");
  const int64_t hidden = h.columns();
  const Operand& w_hidden = expect(context.input(1), DType::f32, {4 * hidden, hidden}, "wHidden");
  const Operand* w_input = nullptr;
  const float* bias = nullptr;
  if (context.has_input(2)) {
    w_input = &expect(context.input(2), DType::f32, {4 * hidden, x.columns()}, "wInput");
  } else {
    expect(x, DType::f32, {x.shape[0], x.shape[1], 4 * hidden}, "x");
  }
  if (context.has_input(3)) bias = expect(context.input(3), DType::f32, {4 * hidden}, "bias").as<float>();
  const Operand& gates = expect(context.output(1), DType::f32, {x.shape[0], x.shape[1], 4 * hidden}, "gates");
  const Operand& c = expect_same_shape(context.output(2), h, "c");
  for (size_t out = 0; out < 3; ++out) {
    for (size_t in = 0; in < 4; ++in) {
      if (context.has_input(in)) expect_apart(context.output(out), context.input(in), ("input " + std::to_string(in)).c_str());
    }
  }
  return std::make_unique<Lstm>(context, x, w_hidden, w_input, bias, h, gates, c);
}

std::unique_ptr<Step> bind_lstm_grad(BindContext& context) {
  expect_counts(context, 5, 5, 2);
  const Operand& dh = expect(context.input(0), DType::f32, {kAnySize, kAnySize, kAnySize}, "dh");
  expect_some(dh, "dh");
  const int64_t hidden = dh.columns();
  const Operand& w_hidden = expect(context.input(1), DType::f32, {4 * hidden, hidden}, "wHidden");
  const Operand& h = expect_same_shape(context.input(2), dh, "h");
  const Operand& gates = expect(context.input(3), DType::f32, {dh.shape[0], dh.shape[1], 4 * hidden}, "gates");
  const Operand& c = expect_same_shape(context.input(4), dh, "c");
  const Operand& dz = expect(context.output(0), DType::f32, gates.shape, "dz");
  const Operand& before = expect_same_shape(context.output(1), dh, "before");
  for (size_t out = 0; out < 2; ++out) {
    for (size_t in = 0; in < 5; ++in) {
      expect_apart(context.output(out), context.input(in), ("input " + std::to_string(in)).c_str());
    }
  }
  return std::make_unique<LstmGrad>(context, dh, w_hidden, h, gates, c, dz, before);
}

}  // namespace flashbook
