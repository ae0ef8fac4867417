#include "engine/steps/gemm_run.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/steps/split.h"
#include "kernels/bgemm/bgemm.h"
#include "runtime/cpu_features.h"

namespace flashbook {
namespace {

constexpr int64_t kMaxSharedBytes = int64_t{16} << 20;   // B packed ahead may take this much workspace
constexpr int64_t kLongSum = 2048;                       // of k: more of B is better packed piece by piece, just before it is read
constexpr int64_t kWorthSplitting = 65536;               // elements of B that are worth packing by several threads
constexpr double kCopyCost = 0.4;                        // cycles to copy an element into a panel
constexpr double kReadCost = 0.3;                        // cycles to read an element beyond L2
constexpr double kSumCost = 1.0;                         // cycles to read and write a sum beyond L2

constexpr int64_t kFewResults = int64_t{1} << 19;        // so that their partial sums are worth their memory
constexpr int64_t kParts = 4;                            // run() adds three to the first

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A weight gradient dyᵀ·x sums over all rows of a batch and has few results: cut in k, no thread packs what another one does.
// How it is cut depends on the shape alone.
int64_t parts_of(const gemm::Problem& p) {
  const bool plain = p.bias == nullptr && p.factor == nullptr && p.residual == nullptr &&
                     p.activation == gemm::Activation::none;
  return p.a_col != 1 && p.k > kLongSum && p.m * p.n <= kFewResults && plain ? kParts : 1;
}

}  // namespace

void GemmRun::bind(BindContext& context, const gemm::Problem& problem, const Operand& b) {
  problem_ = problem;
  kernels_ = &product_table(context);
  const int64_t b_bytes = kernels_->packed_b_bytes(problem.n, problem.k);
  packing_ = Packing::in_block;
  parts_ = parts_of(problem);
  if (parts_ > 1) {
    sums_bytes_ = ceil_div(4 * problem.m * problem.n, 64) * 64;
  } else if (b_bytes == 0) {
    packing_ = Packing::frozen;
  } else if (context.frozen() && b.is_state) {
    packing_ = Packing::frozen;
    const std::string layout = std::string(kernels_->layout) + (problem.b_col == 1 ? "" : ".transposed");
    problem_.packed_b = context.packed(b, layout, static_cast<size_t>(b_bytes), [this](void* to) {
      kernels_->pack_b(problem_, 0, problem_.n, to);
    });
  } else if (b_bytes <= kMaxSharedBytes && problem.m > 8 * kernels_->tile_rows && problem.k <= kLongSum) {
    packing_ = Packing::shared;
    packed_bytes_ = ceil_div(b_bytes, 64) * 64;
  }
  problem_.l2_bytes = l2_bytes();
  const double speed = static_cast<double>(kernels_->products_per_cycle);
  const double k = static_cast<double>(problem.k / parts_), cache = static_cast<double>(problem_.l2_bytes);
  const int threads = context.pool().threads();
  const int threads_a_part = std::max(1, threads / static_cast<int>(parts_));
  grid_ = choose_grid(problem.m, problem.n, *kernels_, threads_a_part, [&](double m, double n) {
    const double a_cost = (problem.a_col == 1 ? kReadCost : kCopyCost) * m * k;
    const double b_cost = (packing_ == Packing::in_block ? kCopyCost : kReadCost) * n * k;
    // Sums that do not stay in L2 come and go once for each part of k whose share of B does.
    const double depth = problem.a_col == 1 ? std::max(256.0, cache / 2 / (4 * n)) : 256.0;
    const double passes = 16 * m * n > cache && !kernels_->sums_stay ? std::ceil(k / depth) : 1.0;
    return m * n * k / speed + a_cost + b_cost + kSumCost * m * n * passes;
  });
  slots_ = parts_ > 1 ? static_cast<int>(std::min<int64_t>({threads, 64, grid_.blocks() * parts_})) : grid_.slots;
  for (int64_t part = 0; part < parts_; part++) {
    gemm::Problem piece = piece_of(problem_, part, nullptr);
    if (packing_ == Packing::shared) piece.packed_b = problem_.b;   // any pointer: B will be packed by then
    const int64_t bytes = kernels_->scratch_bytes(piece, std::min(grid_.block_columns, problem.n));
    scratch_bytes_ = std::max(scratch_bytes_, ceil_div(bytes, 64) * 64);
  }
  context.workspace(workspace_bytes());
}

void GemmRun::bind_strips(BindContext& context, const gemm::Problem& problem, const Operand& b, int64_t bytes) {
  bind(context, problem, b);
  const int64_t tile_bytes = 4 * std::max<int64_t>(problem.n, 1) * kernels_->tile_rows;
  strip_rows_ = std::max<int64_t>(1, bytes / tile_bytes) * kernels_->tile_rows;
  // Where a block packs its own share of B, strips would pack it again and again.
  in_strips_ = parts_ == 1 && packing_ != Packing::in_block && problem.n > 0;
  if (!in_strips_) return;
  slots_ = static_cast<int>(std::min<int64_t>({context.pool().threads(), 64, strips()}));
  context.workspace(workspace_bytes());
}

// Part `part` of the sums over k: the first goes to the result, the others to the workspace.
gemm::Problem GemmRun::piece_of(const gemm::Problem& problem, int64_t part, std::byte* sums) const {
  if (parts_ == 1) return problem;
  constexpr int64_t kUnit = 32;
  const int64_t k0 = problem.k * part / parts_ / kUnit * kUnit;
  const int64_t k1 = part + 1 < parts_ ? problem.k * (part + 1) / parts_ / kUnit * kUnit : problem.k;
  gemm::Problem piece = problem;
  piece.k = k1 - k0;
  piece.a += k0 * problem.a_col;
  piece.b += k0 * problem.b_row;
  if (part > 0) piece.c = reinterpret_cast<float*>(sums + (part - 1) * sums_bytes_);
  return piece;
}

// The problem with B packed into the workspace, where it is to be.
gemm::Problem GemmRun::packed(RunContext& context) const {
  gemm::Problem problem = problem_;
  if (packing_ != Packing::shared) return problem;
  void* const packed = context.workspace;
  const int64_t columns = kernels_->tile_columns;
  const int64_t panels = ceil_div(problem.n, columns);
  const int64_t parts = problem.k * problem.n < kWorthSplitting ? 1 : std::min<int64_t>(panels, 4 * grid_.slots);
  split_items(context.pool, parts, grid_.slots, [&](int64_t, int64_t part) {
    const int64_t n0 = panels * part / parts * columns;
    const int64_t n1 = std::min(problem.n, panels * (part + 1) / parts * columns);
    kernels_->pack_b(problem, n0, n1, packed);
  });
  problem.packed_b = packed;
  return problem;
}

void GemmRun::run(RunContext& context) const {
  if (problem_.m == 0 || problem_.n == 0) return;
  const gemm::Problem problem = packed(context);
  std::byte* const sums = context.workspace + packed_bytes_;
  std::byte* const scratch = sums + (parts_ - 1) * sums_bytes_;
  split_items(context.pool, grid_.blocks() * parts_, slots_, [&](int64_t slot, int64_t index) {
    const Grid::Block block = grid_.block(index % grid_.blocks());
    const gemm::Problem piece = piece_of(problem, index / grid_.blocks(), sums);
    kernels_->block(piece, block.m0, block.m1, block.n0, block.n1, scratch + slot * scratch_bytes_);
  });
  if (parts_ == 1) return;
  float* const c = problem.c;
  const float* const first = reinterpret_cast<const float*>(sums);
  const int64_t stride = sums_bytes_ / 4;
  split_range(context.pool, problem.m * problem.n, 16, 65536, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) c[i] = ((c[i] + first[i]) + first[stride + i]) + first[2 * stride + i];
  });
}

RowCut GemmRun::rows(uint32_t inputs) const {
  if (packing_ != Packing::frozen || parts_ > 1 || problem_.a_col != 1) return {};
  return {problem_.m, 1, inputs, static_cast<size_t>(scratch_bytes_)};
}

void GemmRun::run_rows(RunContext& context, int64_t begin, int64_t end) const {
  const int64_t columns = grid_.block_columns;
  for (int64_t n0 = 0; n0 < problem_.n; n0 += columns) {
    kernels_->block(problem_, begin, end, n0, std::min(problem_.n, n0 + columns), context.workspace);
  }
}

double GemmRun::flops() const {
  return 2.0 * static_cast<double>(problem_.m) * static_cast<double>(problem_.n) * static_cast<double>(problem_.k);
}

double GemmRun::bytes() const {
  const double m = static_cast<double>(problem_.m), n = static_cast<double>(problem_.n), k = static_cast<double>(problem_.k);
  return 4.0 * (m * k + k * n + m * n * (1 + (problem_.factor != nullptr) + (problem_.residual != nullptr)));
}

bool bf16_attribute(const BindContext& context) {
  const std::string name = context.text("precision", "f32");
  if (name == "f32") return false;
  if (name == "bf16") return true;
  throw BindError("expected one of 'f32', 'bf16' for attribute precision but received '" + name + "'");
}

const GemmKernels& product_table(const BindContext& context) {
  return bf16_attribute(context) ? bgemm_table(context.isa()) : gemm_table(context.isa());
}

gemm::Activation activation_attribute(const BindContext& context) {
  const std::string name = context.text("activation", "none");
  if (name == "none") return gemm::Activation::none;
  if (name == "relu") return gemm::Activation::relu;
  if (name == "gelu") return gemm::Activation::gelu;
  throw BindError("expected one of 'none', 'relu', 'gelu' for attribute activation but received '" + name + "'");
}

}  // namespace flashbook
