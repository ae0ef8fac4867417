// How one matrix product of a plan is packed, split over threads in two dimensions, and run. Used by linear and matmul.
#pragma once

#include <algorithm>

#include "engine/step.h"
#include "engine/steps/grid.h"
#include "engine/steps/split.h"
#include "kernels/gemm/gemm.h"

namespace flashbook {

class GemmRun {
 public:
  // Chooses kernels by the attribute precision ('f32', 'bf16'), packing and grid, and asks for workspace. `b` is the operand
  // behind problem.b: in a frozen plan it is packed once if it is state.
  void bind(BindContext& context, const gemm::Problem& problem, const Operand& b);
  void run(RunContext& context) const;

  // The same for a product whose rows are read again at once: they are computed in strips of about `bytes`, cut by the shape and the kernel
  // alone, which lie in the cache when `done` gets them.
  void bind_strips(BindContext& context, const gemm::Problem& problem, const Operand& b, int64_t bytes);
  int64_t strips() const { return (problem_.m + strip_rows_ - 1) / strip_rows_; }
  // done(strip, m0, m1) for every strip of rows m0 … m1, by the thread that has computed them.
  template <class F>
  void run_strips(RunContext& context, F&& done) const {
    if (!in_strips_) run(context);
    const gemm::Problem problem = in_strips_ ? packed(context) : problem_;
    split_items(context.pool, strips(), in_strips_ ? slots_ : context.pool.threads(), [&](int64_t slot, int64_t strip) {
      const int64_t m0 = strip * strip_rows_, m1 = std::min(problem.m, m0 + strip_rows_);
      for (int64_t n0 = 0; in_strips_ && n0 < problem.n; n0 += grid_.block_columns) {
        std::byte* const scratch = context.workspace + packed_bytes_ + slot * scratch_bytes_;
        kernels_->block(problem, m0, m1, n0, std::min(problem.n, n0 + grid_.block_columns), scratch);
      }
      done(strip, m0, m1);
    });
  }
  // What was asked for.
  size_t workspace_bytes() const {
    return static_cast<size_t>(packed_bytes_ + (parts_ - 1) * sums_bytes_ + slots_ * scratch_bytes_);
  }

  // Of a product whose B is packed once: inputs tells which operands of the step are A and of the size of C.
  RowCut rows(uint32_t inputs) const;
  void run_rows(RunContext& context, int64_t begin, int64_t end) const;
  double flops() const;
  double bytes() const;

 private:
  enum class Packing : uint8_t {
    in_block,    // each block packs the part of B that it reads, chunk by chunk
    shared,      // B is packed into the workspace before the blocks run
    frozen,      // B was packed when the plan was bound; also kernels that do not pack
  };

  gemm::Problem packed(RunContext& context) const;
  gemm::Problem piece_of(const gemm::Problem& problem, int64_t part, std::byte* sums) const;

  const GemmKernels* kernels_ = nullptr;
  gemm::Problem problem_;
  Packing packing_ = Packing::in_block;
  Grid grid_;
  int64_t scratch_bytes_ = 0;        // of one slot of the grid
  int64_t packed_bytes_ = 0;         // of B in the workspace, in front of the sums of parts and the scratch
  int64_t parts_ = 1;                // of k, summed apart and added in rising order
  int64_t sums_bytes_ = 0;           // of one part
  int slots_ = 1;
  bool in_strips_ = false;           // all columns of a few rows at a time; else the strips are cut from the finished result
  int64_t strip_rows_ = 1;
};

// Whether the attribute precision asks for operands in bf16.
bool bf16_attribute(const BindContext& context);

// The kernels that the attribute precision asks for.
const GemmKernels& product_table(const BindContext& context);

// none, relu or gelu.
gemm::Activation activation_attribute(const BindContext& context);

}  // namespace flashbook
