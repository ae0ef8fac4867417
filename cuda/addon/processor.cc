// What the engine's classes ask of the processor, answered for a backend whose kernels do not run on it: no threads to share
// work with, and no instruction set to choose.
#include "addon/addon_data.h"
#include "runtime/cpu_features.h"
#include "runtime/process_pool.h"

namespace flashbook {
namespace {

class CallerAlone final : public ThreadPool {
 public:
  int threads() const override { return 1; }
  void run(int64_t tasks, void (*body)(void*, int64_t), void* context) override {
    for (int64_t task = 0; task < tasks; task++) body(context, task);
  }
};

}  // namespace

ThreadPool& process_pool() {
  static CallerAlone pool;
  return pool;
}

const char* isa_name(Isa) { return "cuda"; }

Isa chosen_isa(Napi::Env env, const Napi::Value& wanted) {
  if (wanted.IsString()) throw coded_error(env, "NATIVE", "a plan for CUDA has no instruction set to choose");
  return Isa::scalar;
}

}  // namespace flashbook
