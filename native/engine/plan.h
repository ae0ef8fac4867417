// A bound plan: every offset, shape and attribute of the specification has been checked, every step holds plain pointers.
// Running it allocates nothing.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/execution.h"
#include "engine/plan_spec.h"
#include "engine/row_chain.h"
#include "engine/state.h"
#include "runtime/thread_pool.h"

namespace flashbook {

class Plan {
 public:
  // Throws BindError with the index and kernel of the offending step.
  Plan(PlanSpec spec, std::shared_ptr<State> state, Isa isa, bool frozen, ThreadPool& pool);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  struct Port {
    std::string name;
    DType dtype;
    std::byte* data;
    int64_t elements;
    int64_t bytes;
  };
  const std::vector<Port>& inputs() const { return inputs_; }
  const std::vector<Port>& outputs() const { return outputs_; }

  // Runs on one plan are serialised: hold this from filling the inputs until the outputs are read.
  std::mutex& guard() { return guard_; }

  // Runs all steps; false when cancel() was called before the last of them. Call with guard() held.
  // Throws DeviceError when the device fails.
  bool run();

  // Makes a run in progress stop after its current step, and every later run at once.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  Isa isa() const { return isa_; }
  int64_t arena_bytes() const { return static_cast<int64_t>(arena_.bytes()); }
  int64_t workspace_bytes() const { return static_cast<int64_t>(workspace_.bytes()); }
  int64_t packed_bytes() const;

  void set_profiling(bool enabled) { profiling_.store(enabled, std::memory_order_relaxed); }
  bool profiling() const { return profiling_.load(std::memory_order_relaxed); }
  std::vector<StepProfile> profile();
  void reset_profile();

 private:
  void bind_tensors(const PlanSpec& spec);
  void bind_ports(const PlanSpec& spec);
  void bind_steps(const PlanSpec& spec, bool frozen);
  void claim_state(const PlanSpec& spec, bool frozen);

  const Isa isa_;
  ThreadPool& pool_;
  const std::shared_ptr<State> state_;
  AlignedMemory arena_, workspace_;
  std::vector<Operand> tensors_;
  std::vector<int64_t> tensor_bytes_;
  std::vector<Port> inputs_, outputs_;
  std::vector<std::unique_ptr<Step>> steps_;
  Schedule chains_, cuts_;   // of a frozen plan: what runs, and what runs while each step is timed
  std::vector<StepProfile> profile_;
  double operations_ = 0;   // of all steps
  Execution execution_;
  std::vector<std::shared_ptr<Packing>> packings_;
  std::vector<State::Buffer*> frozen_buffers_, written_buffers_, plain_buffers_;
  std::mutex guard_;
  std::atomic<bool> cancelled_{false}, profiling_{false};
};

}  // namespace flashbook
