// Steps experts, experts_grad: the feed-forward layers of a mixture of experts, kernels/gemm/gemm.h has the product,
// kernels/bgemm/bgemm.h that of the attribute precision 'bf16'.
//   experts        x (…,D), gates (…,E), wExpand (E,F,D), bExpand (E,F), wContract (E,D,F), bContract (E,D) → y (…,D)
//   experts_grad   dy (…,D) and the same → dx (…,D), dgates (…,E), dwExpand, dbExpand, dwContract, dbContract
// y = Σ_e gate·(wContract·gelu(wExpand·x + bExpand) + bContract) over the experts whose gate is above 0.
//
// One expert after the other: its rows are gathered, multiplied together, and scattered with their gates, so that the work is that of
// the chosen experts. An expert's rows are split over threads; every row adds the experts in their order: the same bits for any split.
#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/step.h"
#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/reduce/reduce.h"

namespace flashbook {
namespace {

constexpr int64_t kMaxSlots = 64;
constexpr int64_t kBlockRows = 96;        // rows of a product that a thread takes at once
constexpr int64_t kPerPiece = 32768;      // elements in about ten microseconds

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t line(int64_t bytes) { return ceil_div(bytes, 64) * 64; }

struct Sizes { int64_t rows, experts, hidden, width; };

// Products of which the number of rows is known at run time: room for the largest, packed B included.
class Products {
 public:
  void bind(BindContext& context, const Sizes& s) {
    kernels_ = &product_table(context);
    slots_ = static_cast<int>(std::min<int64_t>({kMaxSlots, context.pool().threads(), ceil_div(std::max(s.rows, s.hidden), kBlockRows)}));
    const int64_t largest = std::max({s.rows, s.hidden, s.width});
    const auto room = [&](int64_t n, int64_t k) { packed_bytes_ = std::max(packed_bytes_, line(kernels_->packed_b_bytes(n, k))); };
    room(s.hidden, s.width);
    room(s.width, s.hidden);
    room(s.hidden, s.rows);
    room(s.width, s.rows);
    for (const bool by_rows : {true, false}) {
      gemm::Problem p;
      p.m = p.n = p.k = largest;
      (by_rows ? p.a_col : p.a_row) = 1;
      (by_rows ? p.a_row : p.a_col) = largest;
      p.b_col = 1;
      p.b_row = largest;
      p.packed_b = &packed_bytes_;   // any pointer: B will be packed
      scratch_bytes_ = std::max(scratch_bytes_, line(kernels_->scratch_bytes(p, std::min(kernels_->block_columns, largest))));
    }
  }
  int64_t bytes() const { return packed_bytes_ + slots_ * scratch_bytes_; }

  void run(ThreadPool& pool, gemm::Problem p, std::byte* workspace) const {
    if (p.m == 0) return;
    if (kernels_->packed_b_bytes(p.n, p.k) > 0) {
      kernels_->pack_b(p, 0, p.n, workspace);
      p.packed_b = workspace;
    }
    split_items(pool, ceil_div(p.m, kBlockRows), slots_, [&](int64_t slot, int64_t item) {
      std::byte* scratch = workspace + packed_bytes_ + slot * scratch_bytes_;
      const int64_t m0 = item * kBlockRows, m1 = std::min(p.m, m0 + kBlockRows);
      for (int64_t n0 = 0; n0 < p.n; n0 += kernels_->block_columns) {
        kernels_->block(p, m0, m1, n0, std::min(p.n, n0 + kernels_->block_columns), scratch);
      }
    });
  }

 private:
  const GemmKernels* kernels_ = nullptr;
  int slots_ = 1;
  int64_t packed_bytes_ = 0, scratch_bytes_ = 0;
};

// a (m × k) · wᵀ (n × k), rows contiguous.
gemm::Problem times_transposed(const float* a, int64_t m, const float* w, int64_t n, int64_t k, float* c) {
  gemm::Problem p;
  p.m = m, p.n = n, p.k = k;
  p.a = a, p.a_row = k, p.a_col = 1;
  p.b = w, p.b_row = 1, p.b_col = k;
  p.c = c;
  return p;
}

// a (m × k) · w (k × n).
gemm::Problem times(const float* a, int64_t m, const float* w, int64_t n, int64_t k, float* c) {
  gemm::Problem p = times_transposed(a, m, w, n, k, c);
  p.b_row = n, p.b_col = 1;
  return p;
}

// aᵀ (k × m) · b (k × n).
gemm::Problem transposed_times(const float* a, int64_t m, const float* b, int64_t n, int64_t k, float* c) {
  gemm::Problem p = times(a, m, b, n, k, c);
  p.a_row = 1, p.a_col = m;
  return p;
}

// The rows whose gate for expert e is above 0, in order.
int64_t rows_of(const float* gates, const Sizes& s, int64_t e, int64_t* rows) {
  int64_t n = 0;
  for (int64_t r = 0; r < s.rows; ++r) {
    if (gates[r * s.experts + e] > 0) rows[n++] = r;
  }
  return n;
}

void gather(ThreadPool& pool, const float* x, const int64_t* rows, int64_t n, int64_t width, float* to) {
  split_range(pool, n, 1, kPerPiece / width + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::memcpy(to + i * width, x + rows[i] * width, static_cast<size_t>(width) * sizeof(float));
  });
}

class Experts final : public Step {
 public:
  Experts(BindContext& context, const Sizes& sizes, const float* const (&in)[6], float* y)
      : s_(sizes), y_(y) {
    std::copy(in, in + 6, in_);
    products_.bind(context, s_);
    at_rows_ = products_.bytes();
    at_x_ = at_rows_ + line(s_.rows * 8);
    at_h_ = at_x_ + line(s_.rows * s_.width * 4);
    at_y_ = at_h_ + line(s_.rows * s_.hidden * 4);
    context.workspace(static_cast<size_t>(at_y_ + line(s_.rows * s_.width * 4)));
  }
  void run(RunContext& context) override {
    const float *x = in_[0], *gates = in_[1], *w1 = in_[2], *b1 = in_[3], *w2 = in_[4], *b2 = in_[5];
    std::byte* space = context.workspace;
    int64_t* rows = reinterpret_cast<int64_t*>(space + at_rows_);
    float *some = reinterpret_cast<float*>(space + at_x_), *h = reinterpret_cast<float*>(space + at_h_);
    float* out = reinterpret_cast<float*>(space + at_y_);
    std::memset(y_, 0, static_cast<size_t>(s_.rows * s_.width) * sizeof(float));
    for (int64_t e = 0; e < s_.experts; ++e) {
      const int64_t n = rows_of(gates, s_, e, rows);
      if (n == 0) continue;
      gather(context.pool, x, rows, n, s_.width, some);
      gemm::Problem expand = times_transposed(some, n, w1 + e * s_.hidden * s_.width, s_.hidden, s_.width, h);
      expand.bias = b1 + e * s_.hidden;
      expand.activation = gemm::Activation::gelu;
      products_.run(context.pool, expand, space);
      gemm::Problem contract = times_transposed(h, n, w2 + e * s_.hidden * s_.width, s_.width, s_.hidden, out);
      contract.bias = b2 + e * s_.width;
      products_.run(context.pool, contract, space);
      split_range(context.pool, n, 1, kPerPiece / s_.width + 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const float gate = gates[rows[i] * s_.experts + e];
          float* to = y_ + rows[i] * s_.width;
          for (int64_t d = 0; d < s_.width; ++d) to[d] += gate * out[i * s_.width + d];
        }
      });
    }
  }
  // As if every row had two experts: the plan does not know the gates.
  double flops() const override { return 8.0 * static_cast<double>(s_.rows * s_.width) * static_cast<double>(s_.hidden); }
  double bytes() const override { return 4.0 * static_cast<double>(2 * s_.rows * s_.width + 2 * s_.experts * s_.width * s_.hidden); }

 private:
  Sizes s_;
  const float* in_[6];
  float* y_;
  Products products_;
  int64_t at_rows_ = 0, at_x_ = 0, at_h_ = 0, at_y_ = 0;
};

class ExpertsGrad final : public Step {
 public:
  ExpertsGrad(BindContext& context, const Sizes& sizes, const float* dy, const float* const (&in)[6], float* const (&out)[6])
      : elementwise_(elementwise_table(context.isa())), reduce_(reduce_table(context.isa())), s_(sizes), dy_(dy) {
    std::copy(in, in + 6, in_);
    std::copy(out, out + 6, out_);
    products_.bind(context, s_);
    int64_t at = products_.bytes();
    const auto place = [&](int64_t bytes) { return std::exchange(at, at + line(bytes)); };
    at_rows_ = place(s_.rows * 8);
    for (int64_t& wide : at_wide_) wide = place(s_.rows * s_.width * 4);
    for (int64_t& hidden : at_hidden_) hidden = place(s_.rows * s_.hidden * 4);
    context.workspace(static_cast<size_t>(at));
  }

  void run(RunContext& context) override {
    const float *gates = in_[1], *w1 = in_[2], *w2 = in_[4];
    float *dx = out_[0], *dgates = out_[1];
    ThreadPool& pool = context.pool;
    std::byte* space = context.workspace;
    int64_t* rows = reinterpret_cast<int64_t*>(space + at_rows_);
    const auto floats = [&](int64_t at) { return reinterpret_cast<float*>(space + at); };
    float *x = floats(at_wide_[0]), *dy = floats(at_wide_[1]), *o = floats(at_wide_[2]);
    float *z = floats(at_hidden_[0]), *h = floats(at_hidden_[1]), *dz = floats(at_hidden_[2]);
    std::memset(dx, 0, static_cast<size_t>(s_.rows * s_.width) * sizeof(float));
    std::memset(dgates, 0, static_cast<size_t>(s_.rows * s_.experts) * sizeof(float));
    const int64_t size = s_.hidden * s_.width;
    for (int64_t e = 0; e < s_.experts; ++e) {
      const int64_t n = rows_of(gates, s_, e, rows);
      float *dw1 = out_[2] + e * size, *db1 = out_[3] + e * s_.hidden, *dw2 = out_[4] + e * size, *db2 = out_[5] + e * s_.width;
      if (n == 0) {
        std::memset(dw1, 0, static_cast<size_t>(size) * sizeof(float));
        std::memset(dw2, 0, static_cast<size_t>(size) * sizeof(float));
        std::memset(db1, 0, static_cast<size_t>(s_.hidden) * sizeof(float));
        std::memset(db2, 0, static_cast<size_t>(s_.width) * sizeof(float));
        continue;
      }
      gather(pool, in_[0], rows, n, s_.width, x);
      gather(pool, dy_, rows, n, s_.width, dy);
      gemm::Problem expand = times_transposed(x, n, w1 + e * size, s_.hidden, s_.width, z);
      expand.bias = in_[3] + e * s_.hidden;
      products_.run(pool, expand, space);
      split_range(pool, n * s_.hidden, 64, 16384, [&](int64_t begin, int64_t end) { elementwise_.gelu(z + begin, h + begin, end - begin); });
      gemm::Problem contract = times_transposed(h, n, w2 + e * size, s_.width, s_.hidden, o);
      contract.bias = in_[5] + e * s_.width;
      products_.run(pool, contract, space);
      // dgates = dy·o, and from here on dy is do = gate·dy.
      split_range(pool, n, 1, kPerPiece / s_.width + 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t at = rows[i] * s_.experts + e;
          float* row = dy + i * s_.width;
          double sum = 0;
          for (int64_t d = 0; d < s_.width; ++d) {
            sum += static_cast<double>(row[d]) * o[i * s_.width + d];
            row[d] *= gates[at];
          }
          dgates[at] = static_cast<float>(sum);
        }
      });
      products_.run(pool, transposed_times(dy, s_.width, h, s_.hidden, n, dw2), space);
      reduce_.sum_rows(dy, db2, n, s_.width);
      products_.run(pool, times(dy, n, w2 + e * size, s_.hidden, s_.width, dz), space);
      split_range(pool, n * s_.hidden, 64, 16384, [&](int64_t begin, int64_t end) {
        elementwise_.gelu_grad(dz + begin, z + begin, dz + begin, end - begin);
      });
      products_.run(pool, transposed_times(dz, s_.hidden, x, s_.width, n, dw1), space);
      reduce_.sum_rows(dz, db1, n, s_.hidden);
      products_.run(pool, times(dz, n, w1 + e * size, s_.width, s_.hidden, o), space);
      split_range(pool, n, 1, kPerPiece / s_.width + 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          for (int64_t d = 0; d < s_.width; ++d) dx[rows[i] * s_.width + d] += o[i * s_.width + d];
        }
      });
    }
  }
  double flops() const override { return 28.0 * static_cast<double>(s_.rows * s_.width) * static_cast<double>(s_.hidden); }
  double bytes() const override { return 4.0 * static_cast<double>(3 * s_.rows * s_.width + 4 * s_.experts * s_.width * s_.hidden); }

 private:
  const ElementwiseKernels& elementwise_;
  const ReduceKernels& reduce_;
  Sizes s_;
  const float *dy_, *in_[6];
  float* out_[6];
  Products products_;
  int64_t at_rows_ = 0, at_wide_[3] = {}, at_hidden_[3] = {};
};

const char* const kNames[6] = {"x", "gates", "wExpand", "bExpand", "wContract", "bContract"};

// Checks the six operands that begin at input `first`.
Sizes expert_sizes(BindContext& context, size_t first, const float* (&in)[6]) {
  const Operand& w = expect(context.input(first + 2), DType::f32, {kAnySize, kAnySize, kAnySize}, "wExpand");
  const int64_t experts = w.shape[0], hidden = w.shape[1], width = w.shape[2];
  if (w.elements() < 1 || std::max({experts, hidden, width}) > (1 << 24)) {
    throw BindError("expected dimensions from 1 to 16777216 for wExpand but received f32 " + shape_text(w.shape));
  }
  const Operand& x = expect(context.input(first), DType::f32, {kAnyDims, width}, "x");
  if (x.elements() < 1) throw BindError("expected at least one row for x but received f32 " + shape_text(x.shape));
  std::vector<int64_t> gates = x.shape;
  gates.back() = experts;
  const std::vector<int64_t> shapes[6] = {x.shape, gates, w.shape, {experts, hidden}, {experts, width, hidden}, {experts, width}};
  for (size_t i = 0; i < 6; ++i) {
    in[i] = expect(context.input(first + i), DType::f32, shapes[i], kNames[i]).as<float>();
    for (size_t out = 0; out < context.output_count(); ++out) expect_apart(context.output(out), context.input(first + i), kNames[i]);
  }
  return {x.rows(), experts, hidden, width};
}

}  // namespace

std::unique_ptr<Step> bind_experts(BindContext& context) {
  expect_counts(context, 6, 6, 1);
  const float* in[6];
  const Sizes s = expert_sizes(context, 0, in);
  const Operand& y = expect_same_shape(context.output(0), context.input(0), "y");
  return std::make_unique<Experts>(context, s, in, y.as<float>());
}

std::unique_ptr<Step> bind_experts_grad(BindContext& context) {
  expect_counts(context, 7, 7, 6);
  const float* in[6];
  const Sizes s = expert_sizes(context, 1, in);
  const Operand& dy = expect_same_shape(context.input(0), context.input(1), "dy");
  float* out[6];
  for (size_t i = 0; i < 6; ++i) {
    out[i] = expect_same_shape(context.output(i), context.input(i + 1), kNames[i]).as<float>();
    expect_apart(context.output(i), dy, "dy");
    for (size_t j = 0; j < i; ++j) expect_apart(context.output(i), context.output(j), "another output");
  }
  return std::make_unique<ExpertsGrad>(context, s, dy.as<float>(), in, out);
}

}  // namespace flashbook
