// engine/execution.h on the device. Steps only enqueue; the whole run is one stretch of the stream, with one wait at its end.
//
// The first run launches step by step, so that a launch that fails is told with its step. The second one is captured as a
// graph where the runtime offers that: pointers and sizes of a bound plan never change, so every later run is one launch.
// A profiled run puts an event between any two steps.
#include "engine/execution.h"

#include <mutex>

#include "cuda/engine/graph.h"
#include "cuda/runtime/stream.h"

namespace flashbook {

struct Execution::Device {
  std::vector<cudaEvent_t> events;
  std::unique_ptr<cuda::Graph> graph;
  int64_t runs = 0;

  ~Device() {
    for (cudaEvent_t event : events) cudaEventDestroy(event);
  }

  void want_events(size_t count) {
    while (events.size() < count) {
      cudaEvent_t event = nullptr;
      cuda::check(cudaEventCreate(&event), "cudaEventCreate");
      events.push_back(event);
    }
  }
};

Execution::Execution() = default;
Execution::~Execution() = default;

bool Execution::run(const std::vector<std::unique_ptr<Step>>& steps, RunContext& context, const std::atomic<bool>& cancelled,
                    std::vector<StepProfile>& profile, bool timed) {
  if (device_ == nullptr) device_ = std::make_unique<Device>();
  Device& device = *device_;
  const cudaStream_t stream = cuda::stream();
  const auto launch = [&](size_t i) {
    try {
      steps[i]->run(context);
      cuda::check(cudaPeekAtLastError(), "the launch");
    } catch (const DeviceError& error) {
      throw DeviceError("step " + std::to_string(i) + " (" + profile[i].kernel + "): " + error.what());
    }
  };
  const auto launch_all = [&] {
    for (size_t i = 0; i < steps.size(); i++) launch(i);
  };
  if (cancelled.load(std::memory_order_relaxed)) return false;

  if (timed) {
    std::unique_lock<std::mutex> lock(cuda::stream_guard());
    device.want_events(steps.size() + 1);
    cuda::check(cudaEventRecord(device.events[0], stream), "cudaEventRecord");
    for (size_t i = 0; i < steps.size(); i++) {
      launch(i);
      cuda::check(cudaEventRecord(device.events[i + 1], stream), "cudaEventRecord");
    }
    lock.unlock();
    cuda::wait("running the plan");
    for (size_t i = 0; i < steps.size(); i++) {
      float milliseconds = 0;
      cuda::check(cudaEventElapsedTime(&milliseconds, device.events[i], device.events[i + 1]), "cudaEventElapsedTime");
      profile[i].nanoseconds += static_cast<int64_t>(static_cast<double>(milliseconds) * 1e6);
      profile[i].calls++;
    }
    return !cancelled.load(std::memory_order_relaxed);
  }

  {
    std::lock_guard<std::mutex> lock(cuda::stream_guard());
    if (device.runs++ == 1) device.graph = cuda::capture(stream, launch_all);
    if (device.graph != nullptr) {
      device.graph->replay(stream);
    } else {
      launch_all();
    }
  }
  cuda::wait("running the plan");
  return !cancelled.load(std::memory_order_relaxed);
}

}  // namespace flashbook
