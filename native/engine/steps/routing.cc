// The router of a mixture of experts: rows of E numbers, E small; sums and exponentials in float64.
//   route {k, capacity}       logits (…,E) → gates (…,E), probs (…,E): the k largest of softmax(logits), as they are for k = 1, else over their
//                             sum; first choices before second ones, earlier rows before later ones, until an expert has `capacity` (0: any)
//   route_grad {k}            dgates (…,E)?, dprobs (…,E)?, gates, probs → dlogits (…,E)
//   load_balance {k}          probs (…,E), gates → loss (1) = E·Σ usage·mean probs, usage (E): share of the rows·k choices
//   router_z_loss             logits (…,E) → loss (1) = mean lse², lse (rows)
//   router_z_loss_grad        dloss (1), logits, lse → dlogits = dloss·2·lse·exp(logits − lse)/rows
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 1024;   // elements in about ten microseconds

// Log Σ exp of a row.
double log_sum(const float* x, int64_t n) {
  double peak = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t i = 0; i < n; ++i) peak = x[i] > peak || std::isnan(x[i]) ? x[i] : peak;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - peak);
  return peak + std::log(sum);
}

// Writes the indices of the k largest, largest first, of equal ones the first; NaN counts as smallest.
void choose(const float* p, int64_t experts, int64_t k, int32_t* chosen) {
  for (int64_t rank = 0; rank < k; ++rank) {
    int32_t best = -1;
    for (int32_t e = 0; e < experts; ++e) {
      const bool taken = std::find(chosen, chosen + rank, e) != chosen + rank;
      if (!taken && (best < 0 || p[e] > p[best] || (std::isnan(p[best]) && !std::isnan(p[e])))) best = e;
    }
    chosen[rank] = best;
  }
}

double sum_of(const float* p, const int32_t* chosen, int64_t k) {
  double sum = 0;
  for (int64_t rank = 0; rank < k; ++rank) sum += p[chosen[rank]];
  return k == 1 ? 1.0 : sum;
}

class Route final : public Step {
 public:
  Route(BindContext& context, const Operand& logits, const Operand& gates, const Operand& probs, int64_t k, int64_t capacity)
      : logits_(logits.as<float>()), gates_(gates.as<float>()), probs_(probs.as<float>()), rows_(logits.rows()),
        experts_(logits.columns()), k_(k), capacity_(capacity) {
    context.workspace(static_cast<size_t>(rows_ * k_ + experts_) * sizeof(int32_t));
  }
  void run(RunContext& context) override {
    int32_t* chosen = reinterpret_cast<int32_t*>(context.workspace);
    int32_t* counts = chosen + rows_ * k_;
    split_range(context.pool, rows_, 1, kPerPiece / experts_ + 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* x = logits_ + r * experts_;
        float* p = probs_ + r * experts_;
        const double lse = log_sum(x, experts_);
        for (int64_t e = 0; e < experts_; ++e) p[e] = static_cast<float>(std::exp(x[e] - lse));
        choose(p, experts_, k_, chosen + r * k_);
      }
    });
    std::memset(gates_, 0, static_cast<size_t>(rows_ * experts_) * sizeof(float));
    std::fill(counts, counts + experts_, 0);
    for (int64_t rank = 0; rank < k_; ++rank) {
      for (int64_t r = 0; r < rows_; ++r) {
        const int32_t e = chosen[r * k_ + rank];
        if (capacity_ > 0 && counts[e] >= capacity_) continue;
        counts[e]++;
        const float* p = probs_ + r * experts_;
        gates_[r * experts_ + e] = static_cast<float>(p[e] / sum_of(p, chosen + r * k_, k_));
      }
    }
  }
  double flops() const override { return 20.0 * static_cast<double>(rows_ * experts_); }
  double bytes() const override { return 12.0 * static_cast<double>(rows_ * experts_); }

 private:
  const float* logits_;
  float *gates_, *probs_;
  int64_t rows_, experts_, k_, capacity_;
};

class RouteGrad final : public Step {
 public:
  RouteGrad(BindContext& context, const float* dgates, const float* dprobs, const Operand& gates, const Operand& probs,
            const Operand& dlogits, int64_t k)
      : dgates_(dgates), dprobs_(dprobs), gates_(gates.as<float>()), probs_(probs.as<float>()), dlogits_(dlogits.as<float>()),
        rows_(probs.rows()), experts_(probs.columns()), k_(k) {
    context.workspace(static_cast<size_t>(rows_ * (k_ + 2 * experts_)) * sizeof(double));
  }
  void run(RunContext& context) override {
    double* slopes = reinterpret_cast<double*>(context.workspace);
    int32_t* choices = reinterpret_cast<int32_t*>(slopes + rows_ * experts_);
    split_range(context.pool, rows_, 1, kPerPiece / experts_ + 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(r, slopes + r * experts_, choices + r * k_);
    });
  }
  double flops() const override { return 10.0 * static_cast<double>(rows_ * experts_); }
  double bytes() const override { return 20.0 * static_cast<double>(rows_ * experts_); }

 private:
  void row(int64_t r, double* d, int32_t* chosen) const {
    const int64_t at = r * experts_;
    const float* p = probs_ + at;
    for (int64_t e = 0; e < experts_; ++e) d[e] = dprobs_ == nullptr ? 0.0 : dprobs_[at + e];
    if (dgates_ != nullptr) {
      choose(p, experts_, k_, chosen);
      const double sum = sum_of(p, chosen, k_);
      double shared = 0;
      for (int64_t rank = 0; rank < k_; ++rank) {
        const int32_t e = chosen[rank];
        if (!(gates_[at + e] > 0)) continue;
        d[e] += dgates_[at + e] / sum;
        shared += static_cast<double>(dgates_[at + e]) * p[e] / (sum * sum);
      }
      for (int64_t rank = 0; k_ > 1 && rank < k_; ++rank) d[chosen[rank]] -= shared;
    }
    double mean = 0;
    for (int64_t e = 0; e < experts_; ++e) mean += p[e] * d[e];
    for (int64_t e = 0; e < experts_; ++e) dlogits_[at + e] = static_cast<float>(p[e] * (d[e] - mean));
  }

  const float *dgates_, *dprobs_, *gates_, *probs_;
  float* dlogits_;
  int64_t rows_, experts_, k_;
};

class LoadBalance final : public Step {
 public:
  LoadBalance(const Operand& probs, const Operand& gates, const Operand& loss, const Operand& usage, int64_t k)
      : probs_(probs.as<float>()), gates_(gates.as<float>()), loss_(loss.as<float>()), usage_(usage.as<float>()),
        rows_(probs.rows()), experts_(probs.columns()), k_(k) {}
  void run(RunContext&) override {
    const double rows = static_cast<double>(rows_);
    double loss = 0;
    for (int64_t e = 0; e < experts_; ++e) {
      double sum = 0;
      int64_t count = 0;
      for (int64_t r = 0; r < rows_; ++r) {
        sum += probs_[r * experts_ + e];
        count += gates_[r * experts_ + e] > 0;
      }
      const double usage = static_cast<double>(count) / (rows * static_cast<double>(k_));
      usage_[e] = static_cast<float>(usage);
      loss += usage * sum / rows;
    }
    *loss_ = static_cast<float>(loss * static_cast<double>(experts_));
  }
  double flops() const override { return 3.0 * static_cast<double>(rows_ * experts_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * experts_); }

 private:
  const float *probs_, *gates_;
  float *loss_, *usage_;
  int64_t rows_, experts_, k_;
};

class RouterZLoss final : public Step {
 public:
  RouterZLoss(const Operand& logits, const Operand& loss, const Operand& lse)
      : logits_(logits.as<float>()), loss_(loss.as<float>()), lse_(lse.as<float>()), rows_(logits.rows()),
        experts_(logits.columns()) {}
  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, kPerPiece / experts_ + 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) lse_[r] = static_cast<float>(log_sum(logits_ + r * experts_, experts_));
    });
    double sum = 0;
    for (int64_t r = 0; r < rows_; ++r) sum += static_cast<double>(lse_[r]) * lse_[r];
    *loss_ = static_cast<float>(sum / static_cast<double>(rows_));
  }
  double flops() const override { return 15.0 * static_cast<double>(rows_ * experts_); }
  double bytes() const override { return 4.0 * static_cast<double>(rows_ * experts_); }

 private:
  const float* logits_;
  float *loss_, *lse_;
  int64_t rows_, experts_;
};

class RouterZLossGrad final : public Step {
 public:
  RouterZLossGrad(const Operand& dloss, const Operand& logits, const Operand& lse, const Operand& dlogits)
      : dloss_(dloss.as<float>()), logits_(logits.as<float>()), lse_(lse.as<float>()), dlogits_(dlogits.as<float>()),
        rows_(logits.rows()), experts_(logits.columns()) {}
  void run(RunContext& context) override {
    const double factor = 2.0 * *dloss_ / static_cast<double>(rows_);
    split_range(context.pool, rows_, 1, kPerPiece / experts_ + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * experts_; i < end * experts_; ++i) {
        const double z = lse_[i / experts_];
        dlogits_[i] = static_cast<float>(factor * z * std::exp(logits_[i] - z));
      }
    });
  }
  double flops() const override { return 12.0 * static_cast<double>(rows_ * experts_); }
  double bytes() const override { return 8.0 * static_cast<double>(rows_ * experts_); }

 private:
  const float *dloss_, *logits_, *lse_;
  float* dlogits_;
  int64_t rows_, experts_;
};

const Operand& expect_rows(const Operand& x, const char* name) {
  expect(x, DType::f32, {kAnyDims, kAnySize}, name);
  if (x.elements() < 1 || x.columns() > 65536) {
    throw BindError(std::string("expected at least one row of 1 to 65536 columns for ") + name + " but received f32 " +
                    shape_text(x.shape));
  }
  return x;
}

}  // namespace

std::unique_ptr<Step> bind_route(BindContext& context) {
  expect_counts(context, 1, 1, 2);
  const Operand& logits = expect_rows(context.input(0), "logits");
  const Operand& gates = expect_same_shape(context.output(0), logits, "gates");
  const Operand& probs = expect_same_shape(context.output(1), logits, "probs");
  if (gates.data == logits.data) throw BindError("the output must not share memory with logits");
  return std::make_unique<Route>(context, logits, gates, probs, integer_attribute(context, "k", 1, logits.columns()),
                                 integer_attribute(context, "capacity", 0, int64_t{1} << 40));
}

std::unique_ptr<Step> bind_route_grad(BindContext& context) {
  expect_counts(context, 4, 4, 1);
  const Operand& probs = expect_rows(context.input(3), "probs");
  const Operand& gates = expect_same_shape(context.input(2), probs, "gates");
  const auto optional = [&](size_t i, const char* name) {
    return context.has_input(i) ? expect_same_shape(context.input(i), probs, name).as<float>() : nullptr;
  };
  const float *dgates = optional(0, "dgates"), *dprobs = optional(1, "dprobs");
  const Operand& dlogits = expect_same_shape(context.output(0), probs, "dlogits");
  return std::make_unique<RouteGrad>(context, dgates, dprobs, gates, probs, dlogits,
                                     integer_attribute(context, "k", 1, probs.columns()));
}

std::unique_ptr<Step> bind_load_balance(BindContext& context) {
  expect_counts(context, 2, 2, 2);
  const Operand& probs = expect_rows(context.input(0), "probs");
  const Operand& gates = expect_same_shape(context.input(1), probs, "gates");
  const Operand& loss = expect(context.output(0), DType::f32, {1}, "loss");
  const Operand& usage = expect(context.output(1), DType::f32, {probs.columns()}, "usage");
  return std::make_unique<LoadBalance>(probs, gates, loss, usage, integer_attribute(context, "k", 1, probs.columns()));
}

std::unique_ptr<Step> bind_router_z_loss(BindContext& context) {
  expect_counts(context, 1, 1, 2);
  const Operand& logits = expect_rows(context.input(0), "logits");
  const Operand& loss = expect(context.output(0), DType::f32, {1}, "loss");
  return std::make_unique<RouterZLoss>(logits, loss, expect(context.output(1), DType::f32, {logits.rows()}, "lse"));
}

std::unique_ptr<Step> bind_router_z_loss_grad(BindContext& context) {
  expect_counts(context, 3, 3, 1);
  const Operand& dloss = expect(context.input(0), DType::f32, {1}, "dloss");
  const Operand& logits = expect_rows(context.input(1), "logits");
  const Operand& lse = expect(context.input(2), DType::f32, {logits.rows()}, "lse");
  return std::make_unique<RouterZLossGrad>(dloss, logits, lse, expect_same_shape(context.output(0), logits, "dlogits"));
}

}  // namespace flashbook
