#include "addon/runner.h"

#include <cmath>
#include <cstring>

#include "addon/addon_data.h"

namespace flashbook {
namespace {

bool all_finite(const std::byte* data, int64_t elements) {
  for (int64_t i = 0; i < elements; i++) {
    float value;
    std::memcpy(&value, data + 4 * i, sizeof value);
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace

Runner::Runner(Napi::Env env, Napi::Function deliver) : env_(env) {
  const napi_value name = Napi::String::New(env, "flashbook runner");
  const napi_status status =
      napi_create_threadsafe_function(env, deliver, nullptr, name, 0, 1, nullptr, nullptr, this, call_js, &channel_);
  if (status != napi_ok) throw coded_error(env, "INTERNAL", "cannot create the channel of the runner thread");
  napi_unref_threadsafe_function(env, channel_);  // an idle runner does not keep the process alive
}

Runner::~Runner() { shut_down(); }

void Runner::start(std::unique_ptr<Job> job) {
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { loop(); });
    } catch (const std::system_error& error) {
      throw coded_error(env_, "NATIVE", std::string("cannot start the runner thread: ") + error.what());
    }
  }
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, channel_);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Runner::shut_down() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    if (current_) current_->cancel();
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  } else if (channel_ != nullptr) {
    napi_release_threadsafe_function(channel_, napi_tsfn_abort);
  }
  queue_.clear();
}

void Runner::loop() {
  while (true) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) break;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    perform(*job);
    // The job, and with it perhaps the last reference to a plan, goes back to the environment's thread.
    Job* done = job.release();
    if (napi_call_threadsafe_function(channel_, done, napi_tsfn_nonblocking) != napi_ok) {
      // The environment is closing: the channel must not be touched again. Its plans are freed by shut_down's caller.
      std::lock_guard<std::mutex> lock(mutex_);
      queue_.emplace_front(done);
      return;
    }
  }
  napi_release_threadsafe_function(channel_, napi_tsfn_abort);
}

void Runner::perform(Job& job) {
  const std::byte* source = job.inputs.get();
  std::byte* target = job.outputs.get();
  bool finite = true;
  job.completed = true;
  for (size_t i = 0; i < job.runs.size() && job.completed && finite; i++) {
    const JobRun& run = job.runs[i];
    Plan& plan = *run.plan;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) plan.cancel();
      current_ = run.plan;
    }
    std::lock_guard<std::mutex> lock(plan.guard());
    try {
      for (const Plan::Port& port : plan.inputs()) {
        copy_in(port.data, source, static_cast<size_t>(port.bytes));
        source += port.bytes;
      }
      job.completed = plan.run();
      if (!job.completed) break;
      job.made++;
      if (!run.wants_outputs) continue;
      std::vector<size_t>::const_iterator watched = run.watched.begin();
      for (size_t o = 0; o < plan.outputs().size(); o++) {
        const Plan::Port& port = plan.outputs()[o];
        copy_out(target, port.data, static_cast<size_t>(port.bytes));
        if (watched != run.watched.end() && *watched == o) {
          finite = finite && all_finite(target, port.elements);
          ++watched;
        }
        target += port.bytes;
      }
    } catch (const DeviceError& error) {
      job.completed = false;
      job.problem = error.what();
    }
  }
  std::lock_guard<std::mutex> lock(mutex_);
  current_.reset();
}

void Runner::call_js(napi_env env, napi_value deliver, void* context, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (env == nullptr) return;  // the environment is closing
  auto* runner = static_cast<Runner*>(context);
  if (--runner->pending_ == 0) napi_unref_threadsafe_function(env, runner->channel_);
  const Napi::Env environment(env);
  const Napi::HandleScope scope(environment);
  Napi::Value outputs = environment.Undefined();
  if (job->output_bytes > 0 && job->completed) {
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(environment, job->output_bytes);
    std::memcpy(buffer.Data(), job->outputs.get(), job->output_bytes);
    outputs = buffer;
  }
  const Napi::Value problem =
      job->problem.empty() ? environment.Undefined() : Napi::String::New(environment, job->problem);
  Napi::Function(env, deliver)
      .Call({Napi::Number::New(env, static_cast<double>(job->id)), Napi::Boolean::New(env, job->completed), outputs, problem,
             Napi::Number::New(env, static_cast<double>(job->made))});
}

}  // namespace flashbook
