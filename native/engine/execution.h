// Runs the bound steps of a plan one after another and takes their time. execution.cc does it on the processor; a backend
// that hands work to a device links another file in its place.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/step.h"

namespace flashbook {

struct StepProfile {
  std::string kernel, label;
  int64_t calls = 0, nanoseconds = 0;
  double flops = 0, bytes = 0;  // of one run
};

class Execution {
 public:
  Execution();
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // All steps in order; false when `cancelled` was set before the last of them. `profile` has one entry a step; their times
  // are added up when `timed`. What the steps write is there when this returns. Throws DeviceError when the device fails.
  bool run(const std::vector<std::unique_ptr<Step>>& steps, RunContext& context, const std::atomic<bool>& cancelled,
           std::vector<StepProfile>& profile, bool timed);

 private:
  struct Device;   // what a backend keeps from one run to the next
  std::unique_ptr<Device> device_;
};

}  // namespace flashbook
