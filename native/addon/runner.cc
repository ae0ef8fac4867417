#include "addon/runner.h"

#include <cstring>

#include "addon/addon_data.h"

namespace flashbook {

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
      current_ = job->plan;
    }
    {
      Plan& plan = *job->plan;
      std::lock_guard<std::mutex> lock(plan.guard());
      try {
        const std::byte* source = job->inputs.data();
        for (const Plan::Port& port : plan.inputs()) {
          copy_in(port.data, source, static_cast<size_t>(port.bytes));
          source += port.bytes;
        }
        job->completed = plan.run();
        std::byte* target = job->outputs.data();
        if (job->wants_outputs && job->completed) {
          for (const Plan::Port& port : plan.outputs()) {
            copy_out(target, port.data, static_cast<size_t>(port.bytes));
            target += port.bytes;
          }
        }
      } catch (const DeviceError& error) {
        job->completed = false;
        job->problem = error.what();
      }
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      current_.reset();
    }
    // The job, and with it perhaps the last reference to the plan, goes back to the environment's thread.
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

void Runner::call_js(napi_env env, napi_value deliver, void* context, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (env == nullptr) return;  // the environment is closing
  auto* runner = static_cast<Runner*>(context);
  if (--runner->pending_ == 0) napi_unref_threadsafe_function(env, runner->channel_);
  const Napi::Env environment(env);
  const Napi::HandleScope scope(environment);
  Napi::Value outputs = environment.Undefined();
  if (job->wants_outputs && job->completed) {
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(environment, job->outputs.size());
    if (!job->outputs.empty()) std::memcpy(buffer.Data(), job->outputs.data(), job->outputs.size());
    outputs = buffer;
  }
  const Napi::Value problem =
      job->problem.empty() ? environment.Undefined() : Napi::String::New(environment, job->problem);
  Napi::Function(env, deliver)
      .Call({Napi::Number::New(env, static_cast<double>(job->id)), Napi::Boolean::New(env, job->completed), outputs, problem});
}

}  // namespace flashbook
