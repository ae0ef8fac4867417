#include "engine/step.h"

namespace flashbook {

#define FB_STEP(name) std::unique_ptr<Step> bind_##name(BindContext&);
#include "cuda/engine/steps.def"
#undef FB_STEP

namespace {

struct Entry {
  const char* kernel;
  StepFactory factory;
};

constexpr Entry kEntries[] = {
#define FB_STEP(name) {#name, bind_##name},
#include "cuda/engine/steps.def"
#undef FB_STEP
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

const char* no_such_step() { return "there is no such kernel on CUDA, use device 'cpu'"; }

}  // namespace flashbook
