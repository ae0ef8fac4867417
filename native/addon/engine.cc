// NativeState and NativePlan: the engine's objects as JavaScript classes. src/native wraps them; nobody else sees them.
#include <napi.h>

#include <algorithm>
#include <cstring>

#include "addon/addon_data.h"
#include "addon/runner.h"
#include "addon/spec_from_js.h"
#include "addon/typed_array.h"
#include "engine/plan.h"
#include "runtime/cpu_features.h"
#include "runtime/process_pool.h"

namespace flashbook {
namespace {

AddonData& data_of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

template <class F>
auto translated(Napi::Env env, F&& body) {
  try {
    return body();
  } catch (const BindError& error) {
    throw coded_error(env, "NATIVE", error.what());
  } catch (const DeviceError& error) {
    throw coded_error(env, "NATIVE", error.what());
  } catch (const std::bad_alloc&) {
    throw coded_error(env, "NATIVE", "out of memory");
  }
}

class NativeState final : public Napi::ObjectWrap<NativeState> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeState",
                       {InstanceMethod("set", &NativeState::set), InstanceMethod("get", &NativeState::get),
                        InstanceMethod("bytes", &NativeState::bytes), InstanceMethod("releasePacked", &NativeState::release_packed),
                        InstanceMethod("dispose", &NativeState::dispose)});
  }

  explicit NativeState(const Napi::CallbackInfo& call) : ObjectWrap(call) {
    state_ = translated(call.Env(), [&] { return std::make_shared<State>(state_specs_from_js(call[0])); });
    Napi::MemoryManagement::AdjustExternalMemory(call.Env(), state_->bytes());
  }

  void Finalize(Napi::Env env) override { release(env); }

  const std::shared_ptr<State>& state(Napi::Env env) const {
    if (!state_) throw coded_error(env, "DISPOSED", "the state has been disposed");
    return state_;
  }

 private:
  State::Buffer& buffer(const Napi::CallbackInfo& call) {
    if (!call[0].IsString()) throw coded_error(call.Env(), "SHAPE", "expected a string for the name of the state buffer");
    const std::string name = call[0].As<Napi::String>().Utf8Value();
    if (State::Buffer* found = state(call.Env())->find(name)) return *found;
    const std::string guess = state_->nearest_name(name);
    throw coded_error(call.Env(), "SHAPE",
                      "the state has no buffer '" + name + "'" + (guess.empty() ? "" : "; did you mean '" + guess + "'?"));
  }

  void* checked(const Napi::CallbackInfo& call, const State::Buffer& buffer) {
    return checked_data(call.Env(), call[1], buffer.spec.dtype, buffer.bytes / dtype_bytes(buffer.spec.dtype), "state",
                        buffer.spec.name);
  }

  void set(const Napi::CallbackInfo& call) {
    State::Buffer& target = buffer(call);
    const void* source = checked(call, target);
    translated(call.Env(), [&] { state_->set(target, source); });
  }

  void get(const Napi::CallbackInfo& call) {
    State::Buffer& source = buffer(call);
    void* target = checked(call, source);
    translated(call.Env(), [&] { state_->get(source, target); });
  }

  Napi::Value bytes(const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), static_cast<double>(state(call.Env())->bytes()));
  }

  void release_packed(const Napi::CallbackInfo& call) {
    const int64_t freed = state(call.Env())->release_packed();
    Napi::MemoryManagement::AdjustExternalMemory(call.Env(), -freed);
  }

  void dispose(const Napi::CallbackInfo& call) { release(call.Env()); }

  void release(Napi::Env env) {
    if (!state_) return;
    Napi::MemoryManagement::AdjustExternalMemory(env, -state_->bytes());
    state_.reset();
  }

  std::shared_ptr<State> state_;
};

class NativePlan final : public Napi::ObjectWrap<NativePlan> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativePlan",
                       {InstanceMethod("runSync", &NativePlan::run_sync), InstanceMethod("output", &NativePlan::output),
                        InstanceMethod("memory", &NativePlan::memory), InstanceMethod("profile", &NativePlan::profile),
                        InstanceMethod("setProfiling", &NativePlan::set_profiling), InstanceMethod("isa", &NativePlan::isa),
                        InstanceMethod("dispose", &NativePlan::dispose)});
  }

  // (spec, state, { frozen, isa })
  explicit NativePlan(const Napi::CallbackInfo& call) : ObjectWrap(call) {
    const Napi::Env env = call.Env();
    if (!call[1].IsObject() || !call[1].As<Napi::Object>().InstanceOf(data_of(env).state_class.Value())) {
      throw coded_error(env, "SHAPE", "expected a state of this device for the plan");
    }
    const std::shared_ptr<State>& state = NativeState::Unwrap(call[1].As<Napi::Object>())->state(env);
    const bool frozen = call[2].IsBoolean() && call[2].As<Napi::Boolean>().Value();
    const Isa isa = chosen_isa(env, call[3]);
    plan_ = translated(env, [&] {
      return std::make_shared<Plan>(plan_spec_from_js(call[0]), state, isa, frozen, process_pool());
    });
    charged_ = plan_->arena_bytes() + plan_->workspace_bytes();
    Napi::MemoryManagement::AdjustExternalMemory(env, charged_);
  }

  void Finalize(Napi::Env env) override { release(env); }

  size_t input_bytes(Napi::Env env) const { return bytes_of(plan(env).inputs()); }

  // Adds a run { plan, inputs, wantsOutputs, watched } of this plan to a job that has room for its inputs.
  void add_to(Napi::Env env, Job& job, const Napi::Object& run) {
    Plan& plan = this->plan(env);
    for_each_array(env, run.Get("inputs"), plan.inputs(), "input", [&job](const Plan::Port& port, const void* data) {
      std::memcpy(job.inputs.get() + job.input_bytes, data, static_cast<size_t>(port.bytes));
      job.input_bytes += static_cast<size_t>(port.bytes);
    });
    const bool wants_outputs = run.Get("wantsOutputs").ToBoolean().Value();
    if (wants_outputs) job.output_bytes += bytes_of(plan.outputs());
    job.runs.push_back({plan_, wants_outputs, watched_outputs(env, plan, run.Get("watched"), wants_outputs)});
  }

 private:
  static size_t bytes_of(const std::vector<Plan::Port>& ports) {
    size_t bytes = 0;
    for (const Plan::Port& port : ports) bytes += static_cast<size_t>(port.bytes);
    return bytes;
  }

  // Rising indices of float32 outputs.
  static std::vector<size_t> watched_outputs(Napi::Env env, Plan& plan, const Napi::Value& list, bool wants_outputs) {
    std::vector<size_t> watched;
    if (list.IsUndefined()) return watched;
    uint32_t length = 0;
    if (napi_get_array_length(env, list, &length) != napi_ok) throw coded_error(env, "SHAPE", "expected an array of outputs to watch");
    for (uint32_t i = 0; i < length; i++) {
      const Napi::Value value = list.As<Napi::Array>().Get(i);
      const int64_t index = value.IsNumber() ? value.As<Napi::Number>().Int64Value() : -1;
      if (!wants_outputs || index < 0 || index >= static_cast<int64_t>(plan.outputs().size()) ||
          plan.outputs()[static_cast<size_t>(index)].dtype != DType::f32) {
        throw coded_error(env, "SHAPE", "expected a wanted output of dtype f32 to watch but received " + std::to_string(index));
      }
      watched.push_back(static_cast<size_t>(index));
    }
    std::sort(watched.begin(), watched.end());
    watched.erase(std::unique(watched.begin(), watched.end()), watched.end());
    return watched;
  }

  Plan& plan(Napi::Env env) const {
    if (!plan_) throw coded_error(env, "DISPOSED", "the plan has been disposed");
    return *plan_;
  }

  static void check_count(Napi::Env env, napi_value array, size_t expected, const char* kind) {
    uint32_t length = 0;
    if (napi_get_array_length(env, array, &length) != napi_ok || length != expected) {
      throw coded_error(env, "SHAPE", "expected an array of " + std::to_string(expected) + " " + kind +
                                          "(s) but received " + std::to_string(length));
    }
  }

  // Checks that there is an array for each port, of its dtype and length, and calls use(port, data).
  template <class F>
  static void for_each_array(Napi::Env env, const Napi::Value& arrays, const std::vector<Plan::Port>& ports, const char* kind, F&& use) {
    check_count(env, arrays, ports.size(), kind);
    for (size_t i = 0; i < ports.size(); i++) {
      napi_value element;
      if (napi_get_element(env, arrays, static_cast<uint32_t>(i), &element) != napi_ok) throw Napi::Error::New(env);
      use(ports[i], checked_data(env, element, ports[i].dtype, ports[i].elements, kind, ports[i].name));
    }
  }

  // (inputs, outputs | undefined)
  void run_sync(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    Plan& plan = this->plan(env);
    const bool wants_outputs = !call[1].IsUndefined();
    if (wants_outputs) for_each_array(env, call[1], plan.outputs(), "output", [](const Plan::Port&, void*) {});
    std::lock_guard<std::mutex> lock(plan.guard());
    for_each_array(env, call[0], plan.inputs(), "input", [env](const Plan::Port& port, const void* data) {
      translated(env, [&] { copy_in(port.data, data, static_cast<size_t>(port.bytes)); });
    });
    translated(env, [&] { plan.run(); });
    if (!wants_outputs) return;
    for_each_array(env, call[1], plan.outputs(), "output", [env](const Plan::Port& port, void* data) {
      translated(env, [&] { copy_out(data, port.data, static_cast<size_t>(port.bytes)); });
    });
  }

  // (index, target)
  void output(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    Plan& plan = this->plan(env);
    const int64_t index = call[0].IsNumber() ? call[0].As<Napi::Number>().Int64Value() : -1;
    if (index < 0 || index >= static_cast<int64_t>(plan.outputs().size())) {
      throw coded_error(env, "SHAPE", "the plan has no output " + std::to_string(index));
    }
    const Plan::Port& port = plan.outputs()[static_cast<size_t>(index)];
    void* target = checked_data(env, call[1], port.dtype, port.elements, "output", port.name);
    std::lock_guard<std::mutex> lock(plan.guard());
    translated(env, [&] { copy_out(target, port.data, static_cast<size_t>(port.bytes)); });
  }

  Napi::Value memory(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    Plan& plan = this->plan(env);
    Napi::Object result = Napi::Object::New(env);
    result.Set("arenaBytes", static_cast<double>(plan.arena_bytes()));
    result.Set("workspaceBytes", static_cast<double>(plan.workspace_bytes()));
    result.Set("packedBytes", static_cast<double>(plan.packed_bytes()));
    return result;
  }

  Napi::Value profile(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    const std::vector<StepProfile> steps = plan(env).profile();
    Napi::Array result = Napi::Array::New(env, steps.size());
    for (size_t i = 0; i < steps.size(); i++) {
      const Napi::HandleScope scope(env);
      Napi::Object line = Napi::Object::New(env);
      line.Set("kernel", steps[i].kernel);
      line.Set("label", steps[i].label);
      line.Set("calls", static_cast<double>(steps[i].calls));
      line.Set("nanoseconds", static_cast<double>(steps[i].nanoseconds));
      line.Set("flops", steps[i].flops);
      line.Set("bytes", steps[i].bytes);
      result.Set(static_cast<uint32_t>(i), line);
    }
    return result;
  }

  void set_profiling(const Napi::CallbackInfo& call) {
    Plan& plan = this->plan(call.Env());
    plan.set_profiling(call[0].ToBoolean().Value());
    plan.reset_profile();
  }

  Napi::Value isa(const Napi::CallbackInfo& call) { return Napi::String::New(call.Env(), isa_name(plan(call.Env()).isa())); }

  void dispose(const Napi::CallbackInfo& call) {
    if (plan_) plan_->cancel();
    release(call.Env());
  }

  void release(Napi::Env env) {
    if (!plan_) return;
    Napi::MemoryManagement::AdjustExternalMemory(env, -charged_);
    plan_.reset();
  }

  std::shared_ptr<Plan> plan_;
  int64_t charged_ = 0;
};

// start(id, runs): runs plans one after another on the runner's thread, { plan, inputs, wantsOutputs, watched } each; the answer comes
// through the environment's deliver function.
void start(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const AddonData& data = data_of(env);
  if (!data.runner || !call[1].IsArray()) throw coded_error(env, "INTERNAL", "expected runs, after a function for their delivery");
  const Napi::Array runs = call[1].As<Napi::Array>();
  const auto run_at = [&](uint32_t i) { return Napi::Value(runs.Get(i)).As<Napi::Object>(); };
  const auto plan_of = [&](const Napi::Object& run) {
    const Napi::Value plan = run.Get("plan");
    if (!plan.IsObject() || !plan.As<Napi::Object>().InstanceOf(data.plan_class.Value())) {
      throw coded_error(env, "SHAPE", "expected plans of this device to run");
    }
    return NativePlan::Unwrap(plan.As<Napi::Object>());
  };
  auto job = std::make_unique<Job>();
  job->id = call[0].As<Napi::Number>().Int64Value();
  size_t bytes = 0;
  for (uint32_t i = 0; i < runs.Length(); i++) {
    if (!runs.Get(i).IsObject()) throw coded_error(env, "SHAPE", "expected objects for the runs");
    bytes += plan_of(run_at(i))->input_bytes(env);
  }
  job->inputs = std::make_unique_for_overwrite<std::byte[]>(bytes);
  for (uint32_t i = 0; i < runs.Length(); i++) plan_of(run_at(i))->add_to(env, *job, run_at(i));
  job->outputs = std::make_unique_for_overwrite<std::byte[]>(job->output_bytes);
  data.runner->start(std::move(job));
}

// onDelivery(function): who is told that a started job has ended.
void on_delivery(const Napi::CallbackInfo& call) {
  Napi::Env env = call.Env();
  if (!call[0].IsFunction()) throw coded_error(env, "INTERNAL", "expected a function for the delivery of runs");
  AddonData& data = data_of(env);
  if (data.runner) return;
  data.runner = std::make_shared<Runner>(env, call[0].As<Napi::Function>());
  env.AddCleanupHook([runner = data.runner] { runner->shut_down(); });
}

}  // namespace

void register_engine(Napi::Env env, Napi::Object exports) {
  AddonData& data = data_of(env);
  const Napi::Function state_class = NativeState::define(env), plan_class = NativePlan::define(env);
  data.state_class = Napi::Persistent(state_class);
  data.plan_class = Napi::Persistent(plan_class);
  exports.Set("NativeState", state_class);
  exports.Set("NativePlan", plan_class);
  exports.Set("start", Napi::Function::New(env, start, "start"));
  exports.Set("onDelivery", Napi::Function::New(env, on_delivery, "onDelivery"));
}

}  // namespace flashbook
