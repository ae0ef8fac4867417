// A plan as it arrives from JavaScript; mirrors src/native/plan-spec.ts. Nothing in it is trusted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "engine/step.h"

namespace flashbook {

struct StateSpec {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
};

struct TensorSpec {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  bool is_state = false;
  int64_t offset = 0;
};

using Attribute = std::variant<double, std::string, bool, std::vector<double>>;

struct StepSpec {
  std::string kernel;
  std::vector<int64_t> inputs, outputs;  // indices of tensors, −1: absent
  std::map<std::string, Attribute> attributes;
};

struct PlanSpec {
  int64_t arena_bytes = 0;
  std::vector<TensorSpec> tensors;
  std::vector<StepSpec> steps;
  std::vector<int64_t> inputs, outputs;
};

const char* dtype_name(DType dtype);
bool parse_dtype(const std::string& name, DType* dtype);
int64_t dtype_bytes(DType dtype);

// Bytes of a dense tensor. Throws BindError, naming `what`, unless there are at most 8 dimensions, each at least 1, and
// the whole is at most 2^46 bytes.
int64_t tensor_bytes(const std::string& what, DType dtype, const std::vector<int64_t>& shape);

std::string shape_text(const std::vector<int64_t>& shape);

}  // namespace flashbook
