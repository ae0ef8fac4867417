// scale {factor}: y = x · factor.
#include <algorithm>

#include "engine/step.h"
#include "runtime/thread_pool.h"

namespace flashbook {
namespace {

constexpr int64_t kChunk = 16384;  // elements of one task

class Scale final : public Step {
 public:
  Scale(const float* x, float* y, int64_t elements, float factor) : x_(x), y_(y), elements_(elements), factor_(factor) {}

  void run(RunContext& context) override {
    context.pool.parallel((elements_ + kChunk - 1) / kChunk, [&](int64_t task) {
      const int64_t end = std::min(elements_, (task + 1) * kChunk);
      for (int64_t i = task * kChunk; i < end; i++) y_[i] = x_[i] * factor_;
    });
  }
  double flops() const override { return static_cast<double>(elements_); }
  double bytes() const override { return 8.0 * static_cast<double>(elements_); }

 private:
  const float* x_;
  float* y_;
  int64_t elements_;
  float factor_;
};

}  // namespace

std::unique_ptr<Step> bind_scale(BindContext& context) {
  const Operand& x = context.input(0);
  const Operand& y = context.output(0);
  if (x.dtype != DType::f32 || y.dtype != DType::f32) throw BindError("expected f32 operands");
  if (x.shape != y.shape) throw BindError("expected an output of the input's shape");
  return std::make_unique<Scale>(x.as<float>(), y.as<float>(), x.elements(), static_cast<float>(context.number("factor")));
}

}  // namespace flashbook
