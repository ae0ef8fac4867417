// One thread an environment that runs plans off the event loop, in the order in which they were started. Not libuv's
// pool: a long run there would hold up file reads and name look-ups.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/plan.h"

namespace flashbook {

// One run of a plan within a job.
struct JobRun {
  std::shared_ptr<Plan> plan;
  bool wants_outputs = false;
  std::vector<size_t> watched;   // outputs, f32: where one of them is not finite, the job ends after this run
};

// Runs of plans one after another without a way back to JavaScript between them.
struct Job {
  int64_t id = 0;
  std::vector<JobRun> runs;
  std::unique_ptr<std::byte[]> inputs;    // copies of the caller's arrays, one behind the other
  std::unique_ptr<std::byte[]> outputs;   // the same for the outputs that are wanted
  size_t input_bytes = 0, output_bytes = 0;
  size_t made = 0;                // runs
  bool completed = false;         // false: a plan was disposed, or the device failed
  std::string problem;            // why the device failed
};

class Runner {
 public:
  // `deliver(id, completed, outputs, problem, made)` is called on the environment's thread, once for each job, in order.
  Runner(Napi::Env env, Napi::Function deliver);
  ~Runner();

  void start(std::unique_ptr<Job> job);

  // Stops after the step that is running; what has not been delivered never will be. For the end of the environment.
  void shut_down();

 private:
  void loop();
  void perform(Job& job);
  static void call_js(napi_env env, napi_value deliver, void* context, void* data);

  napi_env env_;
  napi_threadsafe_function channel_ = nullptr;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::shared_ptr<Plan> current_;
  bool stopping_ = false;
  int64_t pending_ = 0;  // started and not delivered; touched on the environment's thread only
};

}  // namespace flashbook
