#include "engine/bind_context.h"

namespace flashbook {

StepBinder::StepBinder(const StepSpec& spec, const std::vector<Operand>& tensors, Isa isa, ThreadPool& pool,
                       State* frozen_state, std::vector<std::shared_ptr<Packing>>* packings)
    : spec_(spec), tensors_(tensors), isa_(isa), pool_(pool), frozen_state_(frozen_state), packings_(packings) {}

const Operand& StepBinder::operand(const char* kind, const std::vector<int64_t>& indices, size_t i) const {
  if (i >= indices.size() || indices[i] < 0) throw BindError(std::string(kind) + " " + std::to_string(i) + " is absent");
  return tensors_[static_cast<size_t>(indices[i])];
}

template <class T>
const T* StepBinder::attribute(const char* name, const char* type) const {
  const auto found = spec_.attributes.find(name);
  if (found == spec_.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) throw BindError(std::string("expected a ") + type + " for attribute '" + name + "'");
  return value;
}

double StepBinder::number(const char* name) const {
  const double* value = attribute<double>(name, "number");
  if (value == nullptr) throw BindError(std::string("attribute '") + name + "' is absent");
  return *value;
}

double StepBinder::number(const char* name, double fallback) const {
  const double* value = attribute<double>(name, "number");
  return value == nullptr ? fallback : *value;
}

std::string StepBinder::text(const char* name, const char* fallback) const {
  const std::string* value = attribute<std::string>(name, "string");
  return value == nullptr ? fallback : *value;
}

bool StepBinder::flag(const char* name, bool fallback) const {
  const bool* value = attribute<bool>(name, "boolean");
  return value == nullptr ? fallback : *value;
}

std::vector<double> StepBinder::numbers(const char* name) const {
  const std::vector<double>* value = attribute<std::vector<double>>(name, "list of numbers");
  return value == nullptr ? std::vector<double>() : *value;
}

void* StepBinder::packed(const Operand& operand, const std::string& layout, size_t bytes,
                         const std::function<void(void*)>& fill) {
  if (frozen_state_ == nullptr || !operand.is_state) {
    throw BindError("only a state buffer of a frozen plan can be packed once");
  }
  packed_.push_back(operand.data);
  packings_->push_back(frozen_state_->packed(operand, layout, bytes, fill));
  return packings_->back()->memory.data();
}

}  // namespace flashbook
