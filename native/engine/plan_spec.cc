#include "engine/plan_spec.h"

namespace flashbook {
namespace {

constexpr const char* kDtypeNames[] = {"f32", "i32", "u32", "i8", "u8"};
constexpr int64_t kDtypeBytes[] = {4, 4, 4, 1, 1};
constexpr int64_t kLargestTensor = int64_t{1} << 46;
constexpr size_t kMostDimensions = 8;

}  // namespace

const char* dtype_name(DType dtype) { return kDtypeNames[static_cast<int>(dtype)]; }
int64_t dtype_bytes(DType dtype) { return kDtypeBytes[static_cast<int>(dtype)]; }

bool parse_dtype(const std::string& name, DType* dtype) {
  for (int i = 0; i < 5; i++) {
    if (name == kDtypeNames[i]) {
      *dtype = static_cast<DType>(i);
      return true;
    }
  }
  return false;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); i++) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + ")";
}

int64_t tensor_bytes(const std::string& what, DType dtype, const std::vector<int64_t>& shape) {
  if (shape.size() > kMostDimensions) {
    throw BindError("expected at most 8 dimensions for " + what + " but received " + shape_text(shape));
  }
  int64_t bytes = dtype_bytes(dtype);
  for (int64_t dimension : shape) {
    if (dimension < 1) {
      throw BindError("expected dimensions of at least 1 for " + what + " but received " + shape_text(shape));
    }
    if (dimension > kLargestTensor / bytes) {
      throw BindError("expected at most 2^46 bytes for " + what + " but received shape " + shape_text(shape));
    }
    bytes *= dimension;
  }
  return bytes;
}

}  // namespace flashbook
