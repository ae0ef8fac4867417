#include "engine/execution.h"

#include <chrono>

namespace flashbook {
namespace {

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

struct Execution::Device {};

Execution::Execution() = default;
Execution::~Execution() = default;

bool Execution::run(const std::vector<std::unique_ptr<Step>>& steps, RunContext& context, const std::atomic<bool>& cancelled,
                    std::vector<StepProfile>& profile, bool timed) {
  for (size_t i = 0; i < steps.size(); i++) {
    if (cancelled.load(std::memory_order_relaxed)) return false;
    if (!timed) {
      steps[i]->run(context);
      continue;
    }
    const int64_t begin = now();
    steps[i]->run(context);
    profile[i].nanoseconds += now() - begin;
    profile[i].calls++;
  }
  return !cancelled.load(std::memory_order_relaxed);
}

}  // namespace flashbook
