// runtimeInfo() and setThreads().
#include <napi.h>

#include "addon/addon_data.h"
#include "runtime/cpu_features.h"
#include "runtime/process_pool.h"
#include "runtime/thread_budget.h"

namespace flashbook {
namespace {

Napi::Array strings(Napi::Env env, const std::vector<std::string>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); i++) array.Set(static_cast<uint32_t>(i), values[i]);
  return array;
}

struct Manifest {
  const char *family, *dtype, *isa;
};

constexpr Manifest kManifest[] = {
#define FB_KERNEL(family, dtype, isa) {#family, #dtype, #isa},
#include "kernels.def"
#undef FB_KERNEL
    {nullptr, nullptr, nullptr},
};

Napi::Value runtime_info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Napi::Object info = Napi::Object::New(env);
  std::string isa_problem;
  info.Set("isa", isa_name(default_isa(&isa_problem)));
  std::vector<std::string> available;
  for (Isa isa : available_isas()) available.emplace_back(isa_name(isa));
  info.Set("available", strings(env, available));
  info.Set("cpu", cpu_name());
  info.Set("threads", process_pool().threads());
  info.Set("threadSource", pool_thread_source());
  info.Set("version", FLASHBOOK_VERSION);
#if defined(__VERSION__)
  info.Set("compiler", __VERSION__);
#endif
  std::vector<std::string> problems;
  if (!isa_problem.empty()) problems.push_back(isa_problem);
  if (!pool_problem().empty()) problems.push_back(pool_problem());
  info.Set("problems", strings(env, problems));
  info.Set("steps", strings(env, step_names()));
  Napi::Array kernels = Napi::Array::New(env);
  for (const Manifest& entry : kManifest) {
    Isa isa;
    if (entry.family == nullptr || !parse_isa(entry.isa, &isa)) continue;
    Napi::Object line = Napi::Object::New(env);
    line.Set("family", entry.family);
    line.Set("dtype", entry.dtype);
    line.Set("isa", entry.isa);
    line.Set("available", Napi::Boolean::New(env, isa_available(isa)));
    kernels.Set(kernels.Length(), line);
  }
  info.Set("kernels", kernels);
  return info;
}

void set_threads(const Napi::CallbackInfo& call) {
  if (!call[0].IsNumber()) throw coded_error(call.Env(), "OPTION", "expected a number for threads");
  const double count = call[0].As<Napi::Number>().DoubleValue();
  if (!(count >= 1 && count <= kMaxThreads)) {
    throw coded_error(call.Env(), "OPTION", "expected an integer between 1 and 256 for threads");
  }
  set_pool_threads(static_cast<int>(count));
}

}  // namespace

Isa chosen_isa(Napi::Env env, const Napi::Value& wanted) {
  if (!wanted.IsString()) {
    std::string problem;
    const Isa isa = default_isa(&problem);
    if (!problem.empty()) throw coded_error(env, "NATIVE", problem);
    return isa;
  }
  Isa isa;
  const std::string name = wanted.As<Napi::String>().Utf8Value();
  if (!parse_isa(name, &isa) || !isa_available(isa)) {
    std::string list;
    for (Isa available : available_isas()) list += (list.empty() ? "" : ", ") + std::string(isa_name(available));
    throw coded_error(env, "NATIVE", "expected an instruction set that this machine has (" + list + ") for isa but received '" + name + "'");
  }
  return isa;
}

void register_runtime(Napi::Env env, Napi::Object exports) {
  exports.Set("runtimeInfo", Napi::Function::New(env, runtime_info, "runtimeInfo"));
  exports.Set("setThreads", Napi::Function::New(env, set_threads, "setThreads"));
}

}  // namespace flashbook
