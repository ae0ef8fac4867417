// What a step's factory sees: its operands and attributes, checked for presence and type, and the plan around it.
#pragma once

#include <algorithm>
#include <cmath>

#include "engine/plan_spec.h"
#include "engine/state.h"

namespace flashbook {

class StepBinder final : public BindContext {
 public:
  StepBinder(const StepSpec& spec, const std::vector<Operand>& tensors, Isa isa, ThreadPool& pool, State* frozen_state,
             std::vector<std::shared_ptr<Packing>>* packings);

  size_t input_count() const override { return spec_.inputs.size(); }
  size_t output_count() const override { return spec_.outputs.size(); }
  const Operand& input(size_t i) const override { return operand("input", spec_.inputs, i); }
  const Operand& output(size_t i) const override { return operand("output", spec_.outputs, i); }
  bool has_input(size_t i) const override { return i < spec_.inputs.size() && spec_.inputs[i] >= 0; }
  double number(const char* name) const override;
  double number(const char* name, double fallback) const override;
  std::string text(const char* name, const char* fallback) const override;
  bool flag(const char* name, bool fallback) const override;
  std::vector<double> numbers(const char* name) const override;
  Isa isa() const override { return isa_; }
  ThreadPool& pool() const override { return pool_; }
  bool frozen() const override { return frozen_state_ != nullptr; }
  void* packed(const Operand& operand, const std::string& layout, size_t bytes,
               const std::function<void(void*)>& fill) override;
  void workspace(size_t bytes) override { workspace_bytes_ = std::max(workspace_bytes_, bytes); }

  size_t workspace_bytes() const { return workspace_bytes_; }
  // Whether the step packed the operand whose memory this is.
  bool has_packed(const void* data) const { return std::find(packed_.begin(), packed_.end(), data) != packed_.end(); }

 private:
  const Operand& operand(const char* kind, const std::vector<int64_t>& indices, size_t i) const;
  template <class T>
  const T* attribute(const char* name, const char* type) const;

  const StepSpec& spec_;
  const std::vector<Operand>& tensors_;
  const Isa isa_;
  ThreadPool& pool_;
  State* const frozen_state_;
  std::vector<std::shared_ptr<Packing>>* const packings_;
  size_t workspace_bytes_ = 0;
  std::vector<const void*> packed_;
};

}  // namespace flashbook
