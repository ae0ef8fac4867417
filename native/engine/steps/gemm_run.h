// How one matrix product of a plan is packed, split over threads in two dimensions, and run. Used by linear and matmul.
#pragma once

#include "engine/step.h"
#include "engine/steps/grid.h"
#include "kernels/gemm/gemm.h"

namespace flashbook {

class GemmRun {
 public:
  // Chooses kernels by the attribute precision ('f32', 'bf16'), packing and grid, and asks for workspace. `b` is the operand
  // behind problem.b: in a frozen plan it is packed once if it is state.
  void bind(BindContext& context, const gemm::Problem& problem, const Operand& b);
  void run(RunContext& context) const;
  double flops() const;
  double bytes() const;

 private:
  enum class Packing : uint8_t {
    in_block,    // each block packs the part of B that it reads, chunk by chunk
    shared,      // B is packed into the workspace before the blocks run
    frozen,      // B was packed when the plan was bound; also kernels that do not pack
  };

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
};

// Whether the attribute precision asks for operands in bf16.
bool bf16_attribute(const BindContext& context);

// none, relu or gelu.
gemm::Activation activation_attribute(const BindContext& context);

}  // namespace flashbook
