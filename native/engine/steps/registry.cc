// The kernels that a plan may name. One declaration and one line each, by family, in alphabetical order of families.
#include "engine/step.h"

namespace flashbook {

// elementwise
std::unique_ptr<Step> bind_scale(BindContext&);

// gemm
std::unique_ptr<Step> bind_linear(BindContext&);
std::unique_ptr<Step> bind_matmul(BindContext&);

namespace {

struct Entry {
  const char* kernel;
  StepFactory factory;
};

constexpr Entry kEntries[] = {
    // attention

    // dropout

    // elementwise
    {"scale", bind_scale},

    // gemm
    {"linear", bind_linear},
    {"matmul", bind_matmul},

    // loss

    // norm

    // optim

    // qgemm

    // reduce

};

}  // namespace

StepFactory find_step(const std::string& kernel) {
  for (const Entry& entry : kEntries) {
    if (kernel == entry.kernel) return entry.factory;
  }
  return nullptr;
}

std::vector<std::string> step_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.push_back(entry.kernel);
  return names;
}

}  // namespace flashbook
