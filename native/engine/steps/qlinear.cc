// qlinear {activation}: y = activation(x·wᵀ + bias) + residual with int8 weights and activations quantised row by row as they come.
// x (…,K) f32, wq (N,K) i8, wscale (N) f32, bias (N)?, residual (…,N)?, peaks (…)? = max|x| of each row → y (…,N), peaks (…) = max|y|;
// the second may be left out
//
// qlinear_static {activation, xScale, xZero, yScale, yZero}: the same with levels of fixed scales, u ≈ x / scale + zero.
// x (…,K) f32 or u8, wq (N,K) i8, wscale (N) f32, bias (N)?, residual (…,N)? → y (…,N) f32, or u8 with yScale and yZero
//
// quantise_rows: the same quantisation alone. x (…,K) f32 → q (…,K) i8, scale (…) f32
#include <algorithm>

#include "engine/steps/gemm_run.h"
#include "engine/steps/product_operands.h"
#include "engine/steps/split.h"
#include "kernels/qgemm/qgemm.h"
#include "runtime/cpu_features.h"

namespace flashbook {
namespace {

constexpr double kQuantiseCost = 0.4;                 // cycles an element of x
constexpr double kFinishCost = 0.3, kGeluCost = 1.2;  // cycles an element of y

class QLinear final : public Step {
 public:
  // The problem without packed weights, those of `w`.
  QLinear(BindContext& context, const qgemm::Problem& problem, const Operand& w)
      : kernels_(&qgemm_table(context.isa())), problem_(problem) {
    const int64_t k = problem_.k, n = problem_.n;
    const int64_t bytes = kernels_->packed_bytes(n, k);
    if (bytes > 0 && context.frozen() && w.is_state) {
      problem_.packed_w = context.packed(w, kernels_->layout, static_cast<size_t>(bytes),
                                         [this](void* to) { kernels_->pack(problem_, 0, problem_.n, to); });
    } else if (bytes > 0) {
      packed_bytes_ = (bytes + 63) / 64 * 64;   // packed at each run
    }
    const double speed = kernels_->products_per_cycle;
    const double finish = problem_.activation == gemm::Activation::gelu ? kGeluCost : kFinishCost;
    widest_ = std::max(kernels_->tile_columns, l2_bytes() / 2 / std::max<int64_t>(k, 1));   // read again for each tile of rows
    grid_ = choose_grid(problem_.m, n, kernels_->tile_rows, kernels_->tile_columns, widest_, context.pool().threads(),
                        [&](double rows, double columns) {
                          const double inner = static_cast<double>(k);
                          return rows * (inner * (columns / speed + kQuantiseCost) + finish * columns);
                        });
    scratch_bytes_ = (kernels_->scratch_bytes(problem_) + 63) / 64 * 64;
    context.workspace(static_cast<size_t>(packed_bytes_ + grid_.slots * scratch_bytes_));
  }

  void run(RunContext& context) override {
    qgemm::Problem problem = problem_;
    if (packed_bytes_ > 0) {
      kernels_->pack(problem, 0, problem.n, context.workspace);
      problem.packed_w = context.workspace;
    }
    std::byte* scratch = context.workspace + packed_bytes_;
    start_peaks(0, problem.m);
    split_items(context.pool, grid_.blocks(), grid_.slots, [&](int64_t slot, int64_t index) {
      const Grid::Block block = grid_.block(index);
      kernels_->block(problem, block.m0, block.m1, block.n0, block.n1, scratch + slot * scratch_bytes_);
    });
  }

  RowCut rows() const override {
    if (packed_bytes_ > 0) return {};
    return {problem_.m, 1, 1 << 0 | 1 << 4 | 1 << 5, static_cast<size_t>(scratch_bytes_)};
  }

  void run_rows(RunContext& context, int64_t begin, int64_t end) override {
    start_peaks(begin, end);
    for (int64_t n0 = 0; n0 < problem_.n; n0 += widest_) {
      kernels_->block(problem_, begin, end, n0, std::min(problem_.n, n0 + widest_), context.workspace);
    }
  }

  double flops() const override {
    return 2.0 * static_cast<double>(problem_.m) * static_cast<double>(problem_.n) * static_cast<double>(problem_.k);
  }
  double bytes() const override {
    const double m = static_cast<double>(problem_.m), n = static_cast<double>(problem_.n), k = static_cast<double>(problem_.k);
    const double of_x = problem_.x != nullptr ? 4 : 1, of_y = problem_.y != nullptr ? 4 : 1;
    return of_x * m * k + n * k + m * n * (of_y + (problem_.residual != nullptr ? 4 : 0));
  }

 private:
  void start_peaks(int64_t begin, int64_t end) const {
    if (problem_.y_peaks != nullptr) std::fill(problem_.y_peaks + begin, problem_.y_peaks + end, 0);
  }

  const QGemmKernels* kernels_;
  qgemm::Problem problem_;
  Grid grid_;
  int64_t widest_ = 0;          // columns of a block whose w stays in L2
  int64_t scratch_bytes_ = 0;   // of one slot of the grid
  int64_t packed_bytes_ = 0;    // of w in the workspace, in front of the scratch
};

qgemm::Affine affine_attributes(const BindContext& context, const char* scale, const char* zero) {
  const double value = context.number(scale);
  if (!(value >= 0x1p-100 && value <= 0x1p100)) attribute_error(scale, "a scale from 2^-100 to 2^100", value);
  const float rounded = static_cast<float>(value);
  return {rounded, 1.0f / rounded, static_cast<int32_t>(integer_attribute(context, zero, 0, 255))};
}

class QuantiseRows final : public Step {
 public:
  explicit QuantiseRows(BindContext& context) : kernels_(&qgemm_table(context.isa())) {
    expect_counts(context, 1, 1, 2);
    const Operand& x = expect(context.input(0), DType::f32, {kAnyDims, kAnySize}, "x");
    const Operand& q = expect(context.output(0), DType::i8, x.shape, "q");
    columns_ = x.columns();
    rows_ = x.rows();
    std::vector<int64_t> scale_shape(x.shape.begin(), x.shape.end() - 1);
    const Operand& scale = expect(context.output(1), DType::f32, scale_shape, "scale");
    expect_apart(q, x, "x");
    expect_apart(scale, x, "x");
    x_ = x.as<float>();
    q_ = q.as<int8_t>();
    scale_ = scale.as<float>();
  }

  void run(RunContext& context) override {
    split_range(context.pool, rows_, 1, 65536 / columns_ + 1, [this](int64_t begin, int64_t end) {
      kernels_->quantise_rows(x_ + begin * columns_, end - begin, columns_, q_ + begin * columns_, scale_ + begin);
    });
  }

  double bytes() const override { return 5.0 * static_cast<double>(rows_) * static_cast<double>(columns_); }

 private:
  const QGemmKernels* kernels_;
  int64_t rows_ = 0, columns_ = 0;
  const float* x_ = nullptr;
  int8_t* q_ = nullptr;
  float* scale_ = nullptr;
};

}  // namespace

std::unique_ptr<Step> bind_qlinear(BindContext& context) {
  expect_peak_counts(context);
  qgemm::Problem problem;
  const Operand& w = read_qlinear(context, problem, qgemm::kMaxInner);
  problem.activation = activation_attribute(context);
  const PeakOperands peaks = read_peaks(context);
  if (peaks.of_x != nullptr) problem.x_peaks = peaks.of_x->as<int32_t>();
  if (peaks.of_y != nullptr) problem.y_peaks = peaks.of_y->as<int32_t>();
  return std::make_unique<QLinear>(context, problem, w);
}

std::unique_ptr<Step> bind_qlinear_static(BindContext& context) {
  expect_counts(context, 3, 5, 1);
  const Operand &x = context.input(0), &y = context.output(0);
  const DType of_x = x.dtype == DType::u8 ? DType::u8 : DType::f32, of_y = y.dtype == DType::u8 ? DType::u8 : DType::f32;
  qgemm::Problem problem;
  const Operand& w = read_qlinear(context, problem, qgemm::kMaxInnerLevels, of_x, of_y);
  problem.activation = activation_attribute(context);
  problem.is_static = true;
  problem.x_affine = affine_attributes(context, "xScale", "xZero");
  if (of_x == DType::u8) problem.levels = x.as<uint8_t>();
  if (of_y == DType::u8) {
    problem.y_levels = y.as<uint8_t>();
    problem.y_affine = affine_attributes(context, "yScale", "yZero");
  }
  return std::make_unique<QLinear>(context, problem, w);
}

std::unique_ptr<Step> bind_quantise_rows(BindContext& context) { return std::make_unique<QuantiseRows>(context); }

}  // namespace flashbook
