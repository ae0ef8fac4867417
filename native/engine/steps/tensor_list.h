// Steps over a list of tensors: every tensor is cut into stretches of at most kStretch elements, by its size alone, and the
// stretches of all of them are shared out among the threads as one range. Sums are kept one a stretch and added in order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/step.h"
#include "engine/steps/operands.h"
#include "engine/steps/split.h"

namespace flashbook {

constexpr int64_t kStretch = 8192;   // elements: four arrays of them stay in L2

struct Stretch {
  int64_t tensor, begin, count;
};

class TensorList {
 public:
  // The operands of tensor i are inputs i·each … i·each + each − 1 of one shape; `shared` more follow the last tensor.
  TensorList(const BindContext& context, const std::vector<const char*>& each, size_t shared) : each_(each.size()) {
    const size_t inputs = context.input_count();
    if (inputs < each_ + shared || (inputs - shared) % each_ != 0) {
      throw BindError("expected " + std::to_string(each_) + " inputs a tensor and " + std::to_string(shared) +
                      " more but received " + std::to_string(inputs));
    }
    tensors_ = static_cast<int64_t>((inputs - shared) / each_);
    for (int64_t t = 0; t < tensors_; ++t) {
      const Operand& first = expect(context.input(index(t, 0)), DType::f32, {kAnyDims}, each[0]);
      shapes_.push_back(first.shape);
      for (size_t k = 0; k < each_; ++k) {
        pointers_.push_back(expect_same_shape(context.input(index(t, k)), first, each[k]).as<float>());
      }
      const int64_t n = first.elements();
      for (int64_t begin = 0; begin < n; begin += kStretch) stretches_.push_back({t, begin, std::min(kStretch, n - begin)});
      elements_ += n;
    }
  }

  int64_t tensors() const { return tensors_; }
  int64_t elements() const { return elements_; }
  const std::vector<Stretch>& stretches() const { return stretches_; }
  const std::vector<int64_t>& shape(int64_t tensor) const { return shapes_[tensor]; }
  // Operand k of a tensor, where a stretch of it begins.
  float* at(const Stretch& s, size_t k) const { return pointers_[index(s.tensor, k)] + s.begin; }
  float* whole(int64_t tensor, size_t k) const { return pointers_[index(tensor, k)]; }
  size_t shared(size_t k) const { return static_cast<size_t>(tensors_) * each_ + k; }

  // Outputs: the operands `stored` of each tensor, in the memory of the inputs, then `more` others.
  void expect_outputs(const BindContext& context, const std::vector<size_t>& stored, const std::vector<const char*>& each,
                      size_t more) const {
    const size_t outputs = static_cast<size_t>(tensors_) * stored.size() + more;
    if (context.output_count() != outputs) {
      throw BindError("expected " + std::to_string(outputs) + " outputs but received " + std::to_string(context.output_count()));
    }
    for (int64_t t = 0; t < tensors_; ++t) {
      for (size_t k = 0; k < stored.size(); ++k) {
        const Operand& input = context.input(index(t, stored[k]));
        const Operand& output = expect_same_shape(context.output(static_cast<size_t>(t) * stored.size() + k), input, each[stored[k]]);
        if (output.data != input.data) {
          throw BindError(std::string("expected output ") + each[stored[k]] + " to be the same tensor as the input but received '" +
                          output.name + "' for '" + input.name + "'");
        }
      }
    }
  }

  // body(stretch index, stretch) over all of them, on the threads of the pool.
  template <class F>
  void run(ThreadPool& pool, F&& body) const {
    constexpr int64_t per_piece = 4;   // stretches in about ten microseconds
    split_range(pool, static_cast<int64_t>(stretches_.size()), 1, per_piece, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(i, stretches_[i]);
    });
  }

 private:
  size_t index(int64_t tensor, size_t k) const { return static_cast<size_t>(tensor) * each_ + k; }

  size_t each_;
  int64_t tensors_ = 0, elements_ = 0;
  std::vector<float*> pointers_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<Stretch> stretches_;
};

}  // namespace flashbook
