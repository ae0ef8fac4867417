// What the steps of all families share: a Step made of a launch, and the checks of operands that the CPU's steps use too.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "cuda/runtime/stream.h"
#include "engine/plan_spec.h"
#include "engine/step.h"
#include "engine/steps/operands.h"

namespace flashbook::cuda {

// Of one run, for the profiler and the roofline.
struct Cost {
  double flops = 0;
  double bytes = 0;
};

// A Step whose run is `launch(context)`: it enqueues on stream() and returns what the runtime said.
template <class Launch> std::unique_ptr<Step> step(Cost cost, Launch launch) {
  class Launched final : public Step {
   public:
    Launched(Cost cost, Launch launch) : cost_(cost), launch_(std::move(launch)) {}
    void run(RunContext& context) override { check(launch_(context), "the launch"); }
    double flops() const override { return cost_.flops; }
    double bytes() const override { return cost_.bytes; }

   private:
    Cost cost_;
    Launch launch_;
  };
  return std::make_unique<Launched>(cost, std::move(launch));
}

}  // namespace flashbook::cuda
