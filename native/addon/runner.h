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

struct Job {
  int64_t id = 0;
  std::shared_ptr<Plan> plan;
  std::vector<std::byte> inputs;   // copies of the caller's arrays, one behind the other
  std::vector<std::byte> outputs;  // the same for the outputs, when they are wanted
  bool wants_outputs = false;
  bool completed = false;          // false: the plan was disposed, or the device failed
  std::string problem;             // why the device failed
};

class Runner {
 public:
  // `deliver(id, completed, outputs, problem)` is called on the environment's thread, once for each job, in order.
  Runner(Napi::Env env, Napi::Function deliver);
  ~Runner();

  void start(std::unique_ptr<Job> job);

  // Stops after the step that is running; what has not been delivered never will be. For the end of the environment.
  void shut_down();

 private:
  void loop();
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
