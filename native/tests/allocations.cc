// Running a plan allocates nothing: a training step in small, with every allocation of the process counted.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "engine/plan.h"
#include "runtime/cpu_features.h"
#include "runtime/process_pool.h"
#include "tests/allocations.h"
#include "tests/check.h"

namespace {
std::atomic<int64_t> allocations{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = alignment <= alignof(std::max_align_t) ? std::malloc(bytes) : std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes, 1); }
void* operator new[](std::size_t bytes) { return counted(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return counted(bytes, static_cast<std::size_t>(alignment)); }
void* operator new[](std::size_t bytes, std::align_val_t alignment) { return counted(bytes, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace flashbook {
namespace {

// Tensors one behind the other in the arena.
struct Builder {
  PlanSpec spec;

  int64_t tensor(std::vector<int64_t> shape, DType dtype = DType::f32) {
    const int64_t bytes = tensor_bytes("a tensor", dtype, shape);
    spec.tensors.push_back({std::to_string(spec.tensors.size()), dtype, std::move(shape), false, spec.arena_bytes});
    spec.arena_bytes += (bytes + 63) / 64 * 64;
    return static_cast<int64_t>(spec.tensors.size()) - 1;
  }
  void step(const char* kernel, std::vector<int64_t> inputs, std::vector<int64_t> outputs,
            std::map<std::string, Attribute> attributes = {}) {
    spec.steps.push_back({kernel, std::move(inputs), std::move(outputs), std::move(attributes)});
  }
};

// A layer forward and back: normalisation, attention, feed-forward with dropout, weight gradients.
PlanSpec layer(const char* precision) {
  constexpr int64_t kBatch = 8, kSteps = 64, kWidth = 64, kHidden = 256, kRows = kBatch * kSteps;
  Builder b;
  const std::map<std::string, Attribute> product = {{"precision", std::string(precision)}};
  const std::map<std::string, Attribute> heads = {{"heads", 4.0}, {"causal", true}, {"queries", std::string("all")}};
  const std::map<std::string, Attribute> drop = {{"p", 0.1}, {"stream", 1.0}};
  const int64_t x = b.tensor({kBatch, kSteps, kWidth}), rng = b.tensor({4}, DType::u32);
  const int64_t gamma = b.tensor({kWidth}), beta = b.tensor({kWidth});
  const int64_t norm = b.tensor({kBatch, kSteps, kWidth}), mean = b.tensor({kRows}), rstd = b.tensor({kRows});
  b.step("layer_norm", {x, gamma, beta}, {norm, mean, rstd}, {{"eps", 1e-5}});
  const int64_t w_qkv = b.tensor({3 * kWidth, kWidth}), qkv = b.tensor({kBatch, kSteps, 3 * kWidth});
  b.step("linear", {norm, w_qkv}, {qkv}, product);
  const int64_t o = b.tensor({kBatch, kSteps, kWidth}), lse = b.tensor({kBatch, 4, kSteps});
  b.step("attention", {qkv}, {o, lse}, heads);
  const int64_t w1 = b.tensor({kHidden, kWidth}), bias = b.tensor({kHidden}), z = b.tensor({kBatch, kSteps, kHidden});
  b.step("linear", {o, w1, bias}, {z}, product);
  const int64_t y = b.tensor({kBatch, kSteps, kHidden}), slope = b.tensor({kBatch, kSteps, kHidden});
  b.step("gelu_dropout_with_slope", {z, rng}, {y, slope}, drop);
  const int64_t w2 = b.tensor({kWidth, kHidden}), out = b.tensor({kRows, kWidth}), flat = b.tensor({kRows, kHidden});
  b.step("dropout", {y, rng}, {y}, drop);
  b.step("matmul", {flat, w2}, {out}, {{"transA", false}, {"transB", true}, {"precision", std::string(precision)}});
  const int64_t dflat = b.tensor({kRows, kHidden}), dw = b.tensor({kWidth, kHidden}), dbias = b.tensor({kHidden});
  b.step("matmul", {out, w2}, {dflat}, {{"transA", false}, {"transB", false}, {"precision", std::string(precision)}});
  b.step("matmul", {out, flat}, {dw}, {{"transA", true}, {"transB", false}, {"precision", std::string(precision)}});
  b.step("sum_rows", {dflat}, {dbias});
  const int64_t do_ = b.tensor({kBatch, kSteps, kWidth}), dqkv = b.tensor({kBatch, kSteps, 3 * kWidth});
  b.step("attention_grad", {do_, qkv, o, lse}, {dqkv}, heads);
  const int64_t dx = b.tensor({kBatch, kSteps, kWidth}), dgamma = b.tensor({kWidth}), dbeta = b.tensor({kWidth});
  b.step("layer_norm_grad", {do_, x, gamma, mean, rstd}, {dx, dgamma, dbeta});
  const int64_t squares = b.tensor({1});
  b.step("sum_squares", {dw}, {squares});
  return b.spec;
}

}  // namespace

void runs_allocate_nothing() {
  for (const Isa isa : available_isas()) {
    for (const char* precision : {"f32", "bf16"}) {
      for (const int threads : {1, 3}) {
        set_pool_threads(threads);
        Plan plan(layer(precision), std::make_shared<State>(std::vector<StateSpec>{}), isa, false, process_pool());
        std::lock_guard<std::mutex> lock(plan.guard());
        CHECK(plan.run());   // threads start
        const int64_t before = allocations.load();
        CHECK(before > 0);
        for (int i = 0; i < 3; i++) CHECK(plan.run());
        CHECK(allocations.load() == before);
      }
    }
  }
}

}  // namespace flashbook
