#include "engine/steps/gemm_run.h"

#include <algorithm>
#include <string>

#include "engine/steps/split.h"

namespace flashbook {
namespace {

constexpr int kMaxSlots = 64;
constexpr int64_t kMaxSharedBytes = int64_t{16} << 20;   // B packed ahead may take this much workspace

// A rough model in units of one vector multiply-add, only to compare grids: copying an element of A or B costs about as much
// as these many multiply-adds of a whole register.
constexpr double kCopyCost = 0.4;
constexpr double kBlockCost = 3000;    // handing out a block, cold caches
constexpr double kThreadCost = 10000;  // waking another thread

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

void GemmRun::bind(BindContext& context, const gemm::Problem& problem, const Operand& b) {
  problem_ = problem;
  kernels_ = &gemm_table(context.isa());
  const int64_t floats = kernels_->packed_b_floats(problem.n, problem.k);
  packing_ = Packing::in_block;
  if (floats == 0) {
    packing_ = Packing::frozen;
  } else if (context.frozen() && b.is_state) {
    packing_ = Packing::frozen;
    const std::string layout = std::string(kernels_->layout) + (problem.b_col == 1 ? "" : ".transposed");
    problem_.packed_b = static_cast<const float*>(
        context.packed(b, layout, static_cast<size_t>(floats) * 4, [this](void* to) {
          kernels_->pack_b(problem_, 0, problem_.n, static_cast<float*>(to));
        }));
  } else if (floats * 4 <= kMaxSharedBytes && problem.m > 8 * kernels_->tile_rows) {
    packing_ = Packing::shared;
    packed_bytes_ = ceil_div(floats * 4, 64) * 64;
  }
  choose_grid(context.pool().threads());
  gemm::Problem scratch_problem = problem_;
  if (packing_ == Packing::shared) scratch_problem.packed_b = problem_.b;   // any pointer: B will be packed by then
  scratch_bytes_ = ceil_div(kernels_->scratch_bytes(scratch_problem, std::min(block_columns_, problem.n)), 64) * 64;
  context.workspace(static_cast<size_t>(packed_bytes_ + slots_ * scratch_bytes_));
}

// The grid with the least estimated time: work that is spread evenly, little copied twice, few blocks.
void GemmRun::choose_grid(int threads) {
  const gemm::Problem& p = problem_;
  const int64_t tile_rows = kernels_->tile_rows, tile_columns = kernels_->tile_columns;
  const int64_t row_tiles = std::max<int64_t>(1, ceil_div(p.m, tile_rows));
  const int64_t column_tiles = std::max<int64_t>(1, ceil_div(p.n, tile_columns));
  const int64_t widest = std::max<int64_t>(1, kernels_->block_columns / tile_columns);
  const double lanes = std::max<double>(1.0, static_cast<double>(tile_columns) / 2);
  const int64_t limit = std::min<int64_t>(threads, kMaxSlots);
  double best = -1;
  for (int64_t columns = 1; columns <= column_tiles; columns++) {
    const int64_t block_columns = ceil_div(column_tiles, columns);
    if (block_columns > widest || ceil_div(column_tiles, block_columns) != columns) continue;
    for (int64_t rows = 1; rows <= std::min<int64_t>(row_tiles, 64 * limit); rows++) {
      const int64_t block_rows = ceil_div(row_tiles, rows);
      if (ceil_div(row_tiles, block_rows) != rows) continue;
      const double m = static_cast<double>(std::min(p.m, block_rows * tile_rows));
      const double n = static_cast<double>(std::min(p.n, block_columns * tile_columns));
      const double k = static_cast<double>(p.k);
      const double copied = (p.a_col == 1 ? 0.25 : 1.0) * m * k + (packing_ == Packing::in_block ? n * k : 0.0);
      const double block = m * n * k / lanes + kCopyCost * copied + kBlockCost;
      const int64_t blocks = rows * columns;
      const int64_t workers = std::min(limit, blocks);
      // Part of one block more: threads do not start together, and other processes take their share.
      const double rounds = static_cast<double>(ceil_div(blocks, workers)) + (workers > 1 ? 0.25 : 0.0);
      const double time = block * rounds + kThreadCost * static_cast<double>(workers - 1);
      if (best < 0 || time < best) {
        best = time;
        row_blocks_ = rows;
        column_blocks_ = columns;
        block_rows_ = block_rows * tile_rows;
        block_columns_ = block_columns * tile_columns;
        slots_ = static_cast<int>(workers);
      }
    }
  }
}

void GemmRun::run(RunContext& context) const {
  if (problem_.m == 0 || problem_.n == 0) return;
  gemm::Problem problem = problem_;
  std::byte* scratch = context.workspace + packed_bytes_;
  if (packing_ == Packing::shared) {
    float* packed = reinterpret_cast<float*>(context.workspace);
    const int64_t columns = kernels_->tile_columns;
    const int64_t panels = ceil_div(problem.n, columns);
    split_items(context.pool, problem.k * problem.n < 32768 ? 1 : std::min<int64_t>(panels, 4 * slots_), slots_,
                [&](int64_t, int64_t part) {
                  const int64_t parts = problem.k * problem.n < 32768 ? 1 : std::min<int64_t>(panels, 4 * slots_);
                  const int64_t n0 = panels * part / parts * columns;
                  const int64_t n1 = std::min(problem.n, panels * (part + 1) / parts * columns);
                  kernels_->pack_b(problem, n0, n1, packed);
                });
    problem.packed_b = packed;
  }
  split_items(context.pool, row_blocks_ * column_blocks_, slots_, [&](int64_t slot, int64_t block) {
    const int64_t m0 = block / column_blocks_ * block_rows_;
    const int64_t n0 = block % column_blocks_ * block_columns_;
    kernels_->block(problem, m0, std::min(problem.m, m0 + block_rows_), n0, std::min(problem.n, n0 + block_columns_),
                    scratch + slot * scratch_bytes_);
  });
}

double GemmRun::flops() const {
  return 2.0 * static_cast<double>(problem_.m) * static_cast<double>(problem_.n) * static_cast<double>(problem_.k);
}

double GemmRun::bytes() const {
  const double m = static_cast<double>(problem_.m), n = static_cast<double>(problem_.n), k = static_cast<double>(problem_.k);
  return 4.0 * (m * k + k * n + m * n * (problem_.residual != nullptr ? 2 : 1));
}

void expect_apart(const Operand& written, const Operand& read, const char* name) {
  if (!read.present()) return;
  const auto bytes = [](const Operand& o) { return o.elements() * (o.dtype == DType::i8 ? 1 : 4); };
  const char* w = written.as<char>();
  const char* r = read.as<char>();
  if (w < r + bytes(read) && r < w + bytes(written)) {
    throw BindError(std::string("the output must not share memory with ") + name);
  }
}

gemm::Activation activation_attribute(const BindContext& context) {
  const std::string name = context.text("activation", "none");
  if (name == "none") return gemm::Activation::none;
  if (name == "relu") return gemm::Activation::relu;
  if (name == "gelu") return gemm::Activation::gelu;
  throw BindError("expected one of 'none', 'relu', 'gelu' for attribute activation but received '" + name + "'");
}

}  // namespace flashbook
