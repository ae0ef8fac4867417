// Steps batch_norm {eps}, batch_norm_grad {eps}, batch_norm_frozen {eps}: kernels/batch_norm/batch_norm.h has the formulas.
//   batch_norm          x (…,C), gamma (C), beta (C) → y (…,C), mean (C), variance (C), the biased one
//   batch_norm_grad     dy (…,C), x (…,C), gamma (C), mean (C), variance (C) → dx (…,C), dgamma (C), dbeta (C)
//   batch_norm_frozen   x (…,C), gamma, beta, mean, variance (C) → y (…,C)
#include "kernels/batch_norm/batch_norm.h"

#include <cmath>

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"
#include "kernels/reduce/reduce.h"

namespace flashbook {
namespace {

constexpr int64_t kPerPiece = 32768;   // elements in about ten microseconds

// The rows in chunks of sums: at most 64, by the shape alone.
struct Chunks {
  int64_t rows, columns, size, count;
  Chunks(int64_t r, int64_t c) : rows(r), columns(c), size(std::max<int64_t>(32, (r + 63) / 64)), count((r + size - 1) / size) {}

  // body(chunk, first row, number of rows)
  template <class F> void each(ThreadPool& pool, F&& body) const {
    split_range(pool, count, 1, kPerPiece / (size * columns) + 1, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) body(c, c * size, std::min(size, rows - c * size));
    });
  }
};

template <class F>
void each_row_range(ThreadPool& pool, const Chunks& chunks, F&& body) {
  split_range(pool, chunks.rows, 1, kPerPiece / chunks.columns + 1, body);
}

class BatchNorm final : public Step {
 public:
  BatchNorm(BindContext& context, const Operand& x, const float* gamma, const float* beta, double eps, const Operand& y,
            float* mean, float* variance)
      : kernels_(batch_norm_table(context.isa())), reduce_(reduce_table(context.isa())), x_(x.as<float>()), gamma_(gamma),
        beta_(beta), eps_(eps), y_(y.as<float>()), mean_(mean), variance_(variance), chunks_(x.rows(), x.columns()) {
    context.workspace(static_cast<size_t>((chunks_.count + 1) * chunks_.columns) * sizeof(float));
  }

  void run(RunContext& context) override {
    float* sums = reinterpret_cast<float*>(context.workspace);   // one row a chunk
    float* factor = sums + chunks_.count * chunks_.columns;
    const int64_t columns = chunks_.columns;
    const double n = static_cast<double>(chunks_.rows);
    chunks_.each(context.pool, [&](int64_t chunk, int64_t begin, int64_t rows) {
      reduce_.sum_rows(x_ + begin * columns, sums + chunk * columns, rows, columns);
    });
    mean_of(sums, n, mean_);
    chunks_.each(context.pool, [&](int64_t chunk, int64_t begin, int64_t rows) {
      kernels_.deviations(x_ + begin * columns, mean_, sums + chunk * columns, rows, columns);
    });
    mean_of(sums, n, variance_);
    for (int64_t c = 0; c < columns; ++c) factor[c] = static_cast<float>(gamma_[c] / std::sqrt(variance_[c] + eps_));
    each_row_range(context.pool, chunks_, [&](int64_t begin, int64_t end) {
      kernels_.normalise(x_ + begin * columns, mean_, factor, beta_, y_ + begin * columns, end - begin, columns);
    });
  }
  double flops() const override { return 8.0 * static_cast<double>(chunks_.rows * chunks_.columns); }
  double bytes() const override { return 16.0 * static_cast<double>(chunks_.rows * chunks_.columns); }

 private:
  void mean_of(const float* sums, double n, float* out) const {
    for (int64_t c = 0; c < chunks_.columns; ++c) {
      double sum = 0;
      for (int64_t chunk = 0; chunk < chunks_.count; ++chunk) sum += sums[chunk * chunks_.columns + c];
      out[c] = static_cast<float>(sum / n);
    }
  }

  const BatchNormKernels& kernels_;
  const ReduceKernels& reduce_;
  const float *x_, *gamma_, *beta_;
  double eps_;
  float *y_, *mean_, *variance_;
  Chunks chunks_;
};

class BatchNormGrad final : public Step {
 public:
  BatchNormGrad(BindContext& context, const Operand& dy, const Operand& x, const float* gamma, const float* mean,
                const float* variance, double eps, const Operand& dx, float* dgamma, float* dbeta)
      : kernels_(batch_norm_table(context.isa())), reduce_(reduce_table(context.isa())), dy_(dy.as<float>()), x_(x.as<float>()),
        gamma_(gamma), mean_(mean), variance_(variance), eps_(eps), dx_(dx.as<float>()), dgamma_(dgamma), dbeta_(dbeta),
        chunks_(x.rows(), x.columns()) {
    context.workspace(static_cast<size_t>((2 * chunks_.count + 4) * chunks_.columns) * sizeof(float));
  }

  void run(RunContext& context) override {
    const int64_t columns = chunks_.columns;
    float* dgammas = reinterpret_cast<float*>(context.workspace);   // one row a chunk
    float* dbetas = dgammas + chunks_.count * columns;
    float* rstd = dbetas + chunks_.count * columns;
    float *factor = rstd + columns, *a = factor + columns, *b = a + columns;
    for (int64_t c = 0; c < columns; ++c) rstd[c] = static_cast<float>(1.0 / std::sqrt(variance_[c] + eps_));
    chunks_.each(context.pool, [&](int64_t chunk, int64_t begin, int64_t rows) {
      kernels_.sums(dy_ + begin * columns, x_ + begin * columns, mean_, rstd, dgammas + chunk * columns, dbetas + chunk * columns,
                    rows, columns);
    });
    reduce_.sum_rows(dgammas, dgamma_, chunks_.count, columns);
    reduce_.sum_rows(dbetas, dbeta_, chunks_.count, columns);
    const float n = static_cast<float>(chunks_.rows);
    for (int64_t c = 0; c < columns; ++c) {
      factor[c] = gamma_[c] * rstd[c];
      a[c] = dbeta_[c] / n;
      b[c] = dgamma_[c] / n * rstd[c];
    }
    each_row_range(context.pool, chunks_, [&](int64_t begin, int64_t end) {
      const int64_t at = begin * columns;
      kernels_.gradient(dy_ + at, x_ + at, mean_, factor, a, b, dx_ + at, end - begin, columns);
    });
  }
  double flops() const override { return 10.0 * static_cast<double>(chunks_.rows * chunks_.columns); }
  double bytes() const override { return 20.0 * static_cast<double>(chunks_.rows * chunks_.columns); }

 private:
  const BatchNormKernels& kernels_;
  const ReduceKernels& reduce_;
  const float *dy_, *x_, *gamma_, *mean_, *variance_;
  double eps_;
  float *dx_, *dgamma_, *dbeta_;
  Chunks chunks_;
};

class BatchNormFrozen final : public Step {
 public:
  BatchNormFrozen(BindContext& context, const Operand& x, const float* gamma, const float* beta, const float* mean,
                  const float* variance, double eps, const Operand& y)
      : kernels_(batch_norm_table(context.isa())), x_(x.as<float>()), gamma_(gamma), beta_(beta), mean_(mean),
        variance_(variance), eps_(eps), y_(y.as<float>()), chunks_(x.rows(), x.columns()) {
    context.workspace(static_cast<size_t>(chunks_.columns) * sizeof(float));
  }

  void run(RunContext& context) override {
    const int64_t columns = chunks_.columns;
    float* factor = reinterpret_cast<float*>(context.workspace);
    for (int64_t c = 0; c < columns; ++c) factor[c] = static_cast<float>(gamma_[c] / std::sqrt(variance_[c] + eps_));
    each_row_range(context.pool, chunks_, [&](int64_t begin, int64_t end) {
      kernels_.normalise(x_ + begin * columns, mean_, factor, beta_, y_ + begin * columns, end - begin, columns);
    });
  }
  double flops() const override { return 3.0 * static_cast<double>(chunks_.rows * chunks_.columns); }
  double bytes() const override { return 8.0 * static_cast<double>(chunks_.rows * chunks_.columns); }

 private:
  const BatchNormKernels& kernels_;
  const float *x_, *gamma_, *beta_, *mean_, *variance_;
  double eps_;
  float* y_;
  Chunks chunks_;
};

double eps_attribute(const BindContext& context) {
  const double eps = context.number("eps");
  if (!(eps >= 0)) attribute_error("eps", "a number of at least 0", eps);
  return eps;
}

const Operand& expect_rows(const Operand& x) {
  expect(x, DType::f32, {kAnyDims, kAnySize}, "x");
  if (x.elements() < 1) throw BindError("expected at least one element for x but received f32 " + shape_text(x.shape));
  return x;
}

// Input i: one value a column.
const float* channel(BindContext& context, size_t i, const Operand& x, const char* name) {
  return expect(context.input(i), DType::f32, {x.columns()}, name).as<float>();
}

}  // namespace

std::unique_ptr<Step> bind_batch_norm(BindContext& context) {
  expect_counts(context, 3, 3, 3);
  const Operand& x = expect_rows(context.input(0));
  const float *gamma = channel(context, 1, x, "gamma"), *beta = channel(context, 2, x, "beta");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  float* mean = expect(context.output(1), DType::f32, {x.columns()}, "mean").as<float>();
  float* variance = expect(context.output(2), DType::f32, {x.columns()}, "variance").as<float>();
  return std::make_unique<BatchNorm>(context, x, gamma, beta, eps_attribute(context), y, mean, variance);
}

std::unique_ptr<Step> bind_batch_norm_grad(BindContext& context) {
  expect_counts(context, 5, 5, 3);
  const Operand& x = expect_rows(context.input(1));
  const Operand& dy = expect_same_shape(context.input(0), x, "dy");
  const float *gamma = channel(context, 2, x, "gamma"), *mean = channel(context, 3, x, "mean");
  const float* variance = channel(context, 4, x, "variance");
  const Operand& dx = expect_same_shape(context.output(0), x, "dx");
  float* dgamma = expect(context.output(1), DType::f32, {x.columns()}, "dgamma").as<float>();
  float* dbeta = expect(context.output(2), DType::f32, {x.columns()}, "dbeta").as<float>();
  return std::make_unique<BatchNormGrad>(context, dy, x, gamma, mean, variance, eps_attribute(context), dx, dgamma, dbeta);
}

std::unique_ptr<Step> bind_batch_norm_frozen(BindContext& context) {
  expect_counts(context, 5, 5, 1);
  const Operand& x = expect_rows(context.input(0));
  const float *gamma = channel(context, 1, x, "gamma"), *beta = channel(context, 2, x, "beta");
  const float *mean = channel(context, 3, x, "mean"), *variance = channel(context, 4, x, "variance");
  const Operand& y = expect_same_shape(context.output(0), x, "y");
  return std::make_unique<BatchNormFrozen>(context, x, gamma, beta, mean, variance, eps_attribute(context), y);
}

}  // namespace flashbook
