// Steps conv2d, conv2d_grad_input {height, width}, conv2d_grad_weight {kernelH, kernelW}, unfold {kernelH, kernelW}, each with the
// attributes of window.h: kernels/conv/conv.h has the geometry, kernels/gemm/gemm.h the product, kernels/bgemm/bgemm.h that of
// precision 'bf16', which the first three take.
//   conv2d               x (B,H,W,C), weight (O,KH,KW,C), bias (O)? → y (B,H',W',O)
//   conv2d_grad_input    dy (B,H',W',O), weight → dx (B,H,W,C)
//   conv2d_grad_weight   dy, x → dweight (O,KH,KW,C)
//   unfold               x → (B,H',W',KH·KW·C)
//
// A block of windows at a time is unfolded into rows that stay in L2 and multiplied there; bench/sequence.mjs
// measures it beside the matrix product of the same size.
#include <algorithm>
#include <cstring>

#include "engine/step.h"
#include "engine/steps/gemm_run.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"
#include "engine/steps/window.h"

namespace flashbook {
namespace {

constexpr int64_t kBlockFloats = 65536;   // rows of a block: a quarter of a MiB
constexpr int64_t kMaxSlots = 64;
constexpr int64_t kPerPiece = 65536;      // elements in about ten microseconds

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t line(int64_t bytes) { return ceil_div(bytes, 64) * 64; }

// Windows of a block: by the shape alone, between one tile and 4096.
int64_t block_windows(int64_t patch, int64_t windows) {
  return std::min(windows, std::clamp<int64_t>(kBlockFloats / patch, 32, 4096));
}

// A kernel of the one tap that lies on its window: the windows are x itself.
bool pointwise(const Window& s) {
  return s.kernel_h * s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.out_height == s.height &&
         s.out_width == s.width && s.top == 0 && s.left == 0;
}

// All columns of a product, in ranges that the kernel takes.
void multiply(const GemmKernels& kernels, const gemm::Problem& problem, void* scratch) {
  for (int64_t n0 = 0; n0 < problem.n; n0 += kernels.block_columns) {
    kernels.block(problem, 0, problem.m, n0, std::min(problem.n, n0 + kernels.block_columns), scratch);
  }
}

// The weight seen as B: wᵀ (KH·KW·C × O) in a convolution, w itself (O × KH·KW·C) in its gradient.
class PackedWeight {
 public:
  void bind(BindContext& context, const Operand& weight, bool transposed) {
    kernels_ = &product_table(context);
    const int64_t outputs = weight.shape[0], patch = weight.elements() / outputs;
    problem_.n = transposed ? outputs : patch;
    problem_.k = transposed ? patch : outputs;
    problem_.b = weight.as<float>();
    problem_.b_row = transposed ? 1 : patch;
    problem_.b_col = transposed ? patch : 1;
    const int64_t bytes = kernels_->packed_b_bytes(problem_.n, problem_.k);
    if (bytes == 0) return;
    if (context.frozen() && weight.is_state) {
      const std::string layout = std::string(kernels_->layout) + ".conv" + (transposed ? "" : ".transposed");
      problem_.packed_b = context.packed(weight, layout, static_cast<size_t>(bytes),
                                         [this](void* to) { kernels_->pack_b(problem_, 0, problem_.n, to); });
    } else {
      bytes_ = line(bytes);
    }
  }

  // Workspace before the slots' own.
  int64_t bytes() const { return bytes_; }

  int64_t scratch_bytes() const {
    gemm::Problem packed = problem_;
    packed.a_col = 1;
    packed.a_row = packed.k;
    packed.packed_b = problem_.b;   // any pointer: B will be packed
    return line(kernels_->scratch_bytes(packed, std::min(kernels_->block_columns, problem_.n)));
  }

  // The product without A, C and m.
  gemm::Problem ready(RunContext& context) const {
    gemm::Problem problem = problem_;
    problem.a_col = 1;
    problem.a_row = problem.k;
    if (bytes_ > 0) {
      kernels_->pack_b(problem_, 0, problem_.n, context.workspace);
      problem.packed_b = context.workspace;
    }
    return problem;
  }

  const GemmKernels& kernels() const { return *kernels_; }

 private:
  const GemmKernels* kernels_ = nullptr;
  gemm::Problem problem_;
  int64_t bytes_ = 0;
};

class Conv2d final : public Step {
 public:
  Conv2d(BindContext& context, const Window& window, const Operand& x, const Operand& weight, const float* bias,
         const Operand& y)
      : kernels_(conv_table(context.isa())), s_(window), x_(x.as<float>()), bias_(bias), y_(y.as<float>()),
        outputs_(weight.shape[0]), block_(block_windows(s_.patch(), s_.rows())),
        slots_(static_cast<int>(std::min({kMaxSlots, ceil_div(s_.rows(), block_), int64_t{context.pool().threads()}}))) {
    weight_.bind(context, weight, true);
    rows_bytes_ = pointwise(s_) ? 0 : line(block_ * s_.patch() * 4);
    slot_bytes_ = rows_bytes_ + weight_.scratch_bytes();
    context.workspace(static_cast<size_t>(weight_.bytes() + slots_ * slot_bytes_));
  }

  void run(RunContext& context) override {
    const gemm::Problem shared = weight_.ready(context);
    std::byte* slots = context.workspace + weight_.bytes();
    split_items(context.pool, ceil_div(s_.rows(), block_), slots_, [&](int64_t slot, int64_t item) {
      const int64_t begin = item * block_, end = std::min(s_.rows(), begin + block_);
      std::byte* own = slots + slot * slot_bytes_;
      gemm::Problem problem = shared;
      problem.m = end - begin;
      problem.a = x_ + begin * s_.patch();
      if (rows_bytes_ > 0) {
        float* rows = reinterpret_cast<float*>(own);
        kernels_.unfold(s_, x_, begin, end, rows);
        problem.a = rows;
      }
      problem.c = y_ + begin * outputs_;
      problem.bias = bias_;
      multiply(weight_.kernels(), problem, own + rows_bytes_);
    });
  }
  double flops() const override { return 2.0 * static_cast<double>(s_.rows() * s_.patch()) * static_cast<double>(outputs_); }
  double bytes() const override {
    return 4.0 * static_cast<double>(s_.batch * s_.height * s_.width * s_.channels + (s_.rows() + s_.patch()) * outputs_);
  }

 private:
  const ConvKernels& kernels_;
  Window s_;
  const float *x_, *bias_;
  float* y_;
  int64_t outputs_, block_;
  int slots_;
  PackedWeight weight_;
  int64_t rows_bytes_ = 0, slot_bytes_ = 0;
};

// dx image by image: the rows dy·w of a block, folded back. Images are written by one thread each.
class Conv2dGradInput final : public Step {
 public:
  Conv2dGradInput(BindContext& context, const Window& window, const Operand& dy, const Operand& weight, const Operand& dx)
      : kernels_(conv_table(context.isa())), s_(window), dy_(dy.as<float>()), dx_(dx.as<float>()), outputs_(weight.shape[0]),
        per_image_(s_.out_height * s_.out_width), block_(block_windows(s_.patch(), per_image_)),
        slots_(static_cast<int>(std::min({kMaxSlots, s_.batch, int64_t{context.pool().threads()}}))) {
    weight_.bind(context, weight, false);
    rows_bytes_ = line(block_ * s_.patch() * 4);
    slot_bytes_ = rows_bytes_ + weight_.scratch_bytes();
    context.workspace(static_cast<size_t>(weight_.bytes() + slots_ * slot_bytes_));
  }

  void run(RunContext& context) override {
    const gemm::Problem shared = weight_.ready(context);
    std::byte* slots = context.workspace + weight_.bytes();
    const int64_t image = s_.height * s_.width * s_.channels;
    split_items(context.pool, s_.batch, slots_, [&](int64_t slot, int64_t b) {
      std::byte* own = slots + slot * slot_bytes_;
      float* rows = reinterpret_cast<float*>(own);
      std::memset(dx_ + b * image, 0, static_cast<size_t>(image) * sizeof(float));
      for (int64_t at = 0; at < per_image_; at += block_) {
        const int64_t begin = b * per_image_ + at, end = b * per_image_ + std::min(per_image_, at + block_);
        gemm::Problem problem = shared;
        problem.m = end - begin;
        problem.a = dy_ + begin * outputs_;
        problem.c = rows;
        multiply(weight_.kernels(), problem, own + rows_bytes_);
        kernels_.fold(s_, rows, begin, end, dx_);
      }
    });
  }
  double flops() const override { return 2.0 * static_cast<double>(s_.rows() * s_.patch()) * static_cast<double>(outputs_); }
  double bytes() const override {
    return 4.0 * static_cast<double>(s_.batch * s_.height * s_.width * s_.channels + (s_.rows() + s_.patch()) * outputs_);
  }

 private:
  const ConvKernels& kernels_;
  Window s_;
  const float* dy_;
  float* dx_;
  int64_t outputs_, per_image_, block_;
  int slots_;
  PackedWeight weight_;
  int64_t rows_bytes_ = 0, slot_bytes_ = 0;
};

// dyᵀ·rows over chunks of windows that the shape alone fixes, added up in order.
class Conv2dGradWeight final : public Step {
 public:
  Conv2dGradWeight(BindContext& context, const Window& window, const Operand& dy, const Operand& x, const Operand& dweight)
      : kernels_(conv_table(context.isa())), gemm_(product_table(context)), s_(window), dy_(dy.as<float>()),
        x_(x.as<float>()), dweight_(dweight.as<float>()), outputs_(dweight.shape[0]), size_(dweight.elements()),
        block_(std::min<int64_t>(gemm::kMaxChunk, block_windows(s_.patch(), s_.rows()))) {
    constexpr int64_t kMostFloats = 4 << 20;   // of all partial sums
    const int64_t blocks = ceil_div(s_.rows(), block_);
    chunk_ = ceil_div(blocks, std::clamp<int64_t>(kMostFloats / size_, 1, std::min<int64_t>(blocks, 32)));
    chunks_ = ceil_div(blocks, chunk_);
    slots_ = static_cast<int>(std::min({kMaxSlots, chunks_, int64_t{context.pool().threads()}}));
    sum_bytes_ = line(size_ * 4);
    rows_bytes_ = line(block_ * s_.patch() * 4);
    slot_bytes_ = rows_bytes_ + sum_bytes_ + line(gemm_.scratch_bytes(product(block_), std::min(gemm_.block_columns, s_.patch())));
    context.workspace(static_cast<size_t>((chunks_ - 1) * sum_bytes_ + slots_ * slot_bytes_));
  }

  void run(RunContext& context) override {
    std::byte* slots = context.workspace + (chunks_ - 1) * sum_bytes_;
    // The first chunk's sum is the result itself.
    const auto sum_of = [&](int64_t chunk) {
      return chunk == 0 ? dweight_ : reinterpret_cast<float*>(context.workspace + (chunk - 1) * sum_bytes_);
    };
    split_items(context.pool, chunks_, slots_, [&](int64_t slot, int64_t chunk) {
      std::byte* own = slots + slot * slot_bytes_;
      float* rows = reinterpret_cast<float*>(own);
      float* part = reinterpret_cast<float*>(own + rows_bytes_);
      float* sum = sum_of(chunk);
      const int64_t last = std::min(s_.rows(), (chunk + 1) * chunk_ * block_);
      for (int64_t begin = chunk * chunk_ * block_; begin < last; begin += block_) {
        const int64_t end = std::min(last, begin + block_);
        const bool first = begin == chunk * chunk_ * block_;
        kernels_.unfold(s_, x_, begin, end, rows);
        gemm::Problem problem = product(end - begin);
        problem.a = dy_ + begin * outputs_;
        problem.b = rows;
        problem.c = first ? sum : part;
        multiply(gemm_, problem, own + rows_bytes_ + sum_bytes_);
        for (int64_t i = 0; !first && i < size_; ++i) sum[i] += part[i];
      }
    });
    for (int64_t chunk = 1; chunk < chunks_; ++chunk) {
      const float* sum = sum_of(chunk);
      for (int64_t i = 0; i < size_; ++i) dweight_[i] += sum[i];
    }
  }
  double flops() const override { return 2.0 * static_cast<double>(s_.rows()) * static_cast<double>(size_); }
  double bytes() const override {
    return 4.0 * static_cast<double>(s_.batch * s_.height * s_.width * s_.channels + s_.rows() * outputs_ + size_);
  }

 private:
  // The product of `windows` rows without its pointers.
  gemm::Problem product(int64_t windows) const {
    gemm::Problem problem;
    problem.m = outputs_;
    problem.n = s_.patch();
    problem.k = windows;
    problem.a_row = 1;
    problem.a_col = outputs_;
    problem.b_row = s_.patch();
    problem.b_col = 1;
    return problem;
  }

  const ConvKernels& kernels_;
  const GemmKernels& gemm_;
  Window s_;
  const float *dy_, *x_;
  float* dweight_;
  int64_t outputs_, size_, block_, chunk_ = 1, chunks_ = 1;
  int slots_ = 1;
  int64_t sum_bytes_ = 0, rows_bytes_ = 0, slot_bytes_ = 0;
};

class Unfold final : public Step {
 public:
  Unfold(const ConvKernels& kernels, const Window& window, const Operand& x, const Operand& y)
      : kernels_(kernels), s_(window), x_(x.as<float>()), y_(y.as<float>()) {}
  void run(RunContext& context) override {
    const int64_t patch = s_.patch();
    split_range(context.pool, s_.rows(), 1, kPerPiece / patch + 1, [&](int64_t begin, int64_t end) {
      kernels_.unfold(s_, x_, begin, end, y_ + begin * patch);
    });
  }
  double bytes() const override { return 8.0 * static_cast<double>(s_.rows() * s_.patch()); }

 private:
  const ConvKernels& kernels_;
  Window s_;
  const float* x_;
  float* y_;
};

const std::vector<int64_t> kImage = {kAnySize, kAnySize, kAnySize, kAnySize};

}  // namespace

std::unique_ptr<Step> bind_conv2d(BindContext& context) {
  expect_counts(context, 2, 3, 1);
  const Operand& x = expect(context.input(0), DType::f32, kImage, "x");
  const Operand& weight = expect(context.input(1), DType::f32, {kAnySize, kAnySize, kAnySize, x.columns()}, "weight");
  const Window s = window_attributes(context, x.shape, weight.shape[1], weight.shape[2]);
  const int64_t outputs = weight.shape[0];
  if (outputs < 1) throw BindError("expected at least one output channel for weight");
  const Operand& y = expect(context.output(0), DType::f32, {s.batch, s.out_height, s.out_width, outputs}, "y");
  expect_apart(y, x, "x");
  expect_apart(y, weight, "weight");
  const float* bias = nullptr;
  if (context.has_input(2)) {
    const Operand& operand = expect(context.input(2), DType::f32, {outputs}, "bias");
    expect_apart(y, operand, "bias");
    bias = operand.as<float>();
  }
  return std::make_unique<Conv2d>(context, s, x, weight, bias, y);
}

std::unique_ptr<Step> bind_conv2d_grad_input(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& dy = expect(context.input(0), DType::f32, kImage, "dy");
  const Operand& weight = expect(context.input(1), DType::f32, {dy.columns(), kAnySize, kAnySize, kAnySize}, "weight");
  if (dy.columns() < 1) throw BindError("expected at least one output channel for weight");
  const std::vector<int64_t> shape = {dy.shape[0], integer_attribute(context, "height", 1, 1 << 24),
                                      integer_attribute(context, "width", 1, 1 << 24), weight.columns()};
  const Operand& dx = expect(context.output(0), DType::f32, shape, "dx");
  const Window s = window_attributes(context, shape, weight.shape[1], weight.shape[2]);
  expect(dy, DType::f32, {s.batch, s.out_height, s.out_width, dy.columns()}, "dy");
  expect_apart(dx, dy, "dy");
  expect_apart(dx, weight, "weight");
  return std::make_unique<Conv2dGradInput>(context, s, dy, weight, dx);
}

std::unique_ptr<Step> bind_conv2d_grad_weight(BindContext& context) {
  expect_counts(context, 2, 2, 1);
  const Operand& dy = expect(context.input(0), DType::f32, kImage, "dy");
  const Operand& x = expect(context.input(1), DType::f32, kImage, "x");
  const int64_t kernel_h = integer_attribute(context, "kernelH", 1, 1 << 24);
  const int64_t kernel_w = integer_attribute(context, "kernelW", 1, 1 << 24);
  const Window s = window_attributes(context, x.shape, kernel_h, kernel_w);
  if (dy.columns() < 1) throw BindError("expected at least one output channel for dy");
  expect(dy, DType::f32, {s.batch, s.out_height, s.out_width, dy.columns()}, "dy");
  const Operand& dweight = expect(context.output(0), DType::f32, {dy.columns(), kernel_h, kernel_w, x.columns()}, "dweight");
  expect_apart(dweight, dy, "dy");
  expect_apart(dweight, x, "x");
  return std::make_unique<Conv2dGradWeight>(context, s, dy, x, dweight);
}

std::unique_ptr<Step> bind_unfold(BindContext& context) {
  expect_counts(context, 1, 1, 1);
  const Operand& x = expect(context.input(0), DType::f32, kImage, "x");
  const Window s = window_attributes(context, x.shape, integer_attribute(context, "kernelH", 1, 1 << 24),
                                     integer_attribute(context, "kernelW", 1, 1 << 24));
  const Operand& y = expect(context.output(0), DType::f32, {s.batch, s.out_height, s.out_width, s.patch()}, "y");
  expect_apart(y, x, "x");
  return std::make_unique<Unfold>(conv_table(context.isa()), s, x, y);
}

}  // namespace flashbook
