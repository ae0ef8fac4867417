// Steps of a plan that need nothing of each other but the same rows, run row block by row block: each thread takes its rows through all
// of them without waiting for the others, and finds them in its own cache, from one chain to the next too.
//
// A step joins the chain before it if it can be cut in the same number of rows, and if no memory that one of them writes is touched
// by another otherwise than row by row, at the same place and with rows as long. How many blocks there are depends on the threads, the
// bits of a row on nothing but the row.
//
// A thread whose rows are more than its second-level cache holds takes them through the chain in blocks that fit, where that saves more
// traffic than reading the weights again for each block costs.
#pragma once

#include <memory>
#include <vector>

#include "engine/plan_spec.h"
#include "engine/step.h"

namespace flashbook {

// Consecutive steps: one, or a chain.
class RowChain final : public Step {
 public:
  // `parts` row blocks, one a thread; 0: the steps are run as they are. block: the most rows that go through the chain at a time.
  // workspace: that of one part.
  RowChain(std::vector<Step*> steps, int64_t rows, int64_t unit, int64_t parts, int64_t block, size_t workspace)
      : steps_(std::move(steps)), rows_(rows), unit_(unit), parts_(parts), block_(block), workspace_(workspace) {}

  void run(RunContext& context) override;

 private:
  void run_part(RunContext& context, int64_t begin, int64_t end);

  const std::vector<Step*> steps_;
  const int64_t rows_, unit_, parts_, block_;
  const size_t workspace_;
};

// What a plan runs in place of its steps.
struct Schedule {
  std::vector<std::unique_ptr<Step>> steps;
  size_t workspace = 0;   // that it needs
};

// The steps of a plan in chains for so many threads; of tensors and their bytes the specification's steps give the indices.
Schedule chain_rows(const std::vector<std::unique_ptr<Step>>& steps, const std::vector<StepSpec>& specs, const std::vector<Operand>& tensors,
                    const std::vector<int64_t>& bytes, int threads);

// Each step by itself, cut in the same way: for taking its time.
Schedule cut_rows(const std::vector<std::unique_ptr<Step>>& steps, int threads);

}  // namespace flashbook
