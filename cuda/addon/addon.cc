// The door of the CUDA addon: the engine's classes, and what the driver says. src/native/cuda.ts is the other side.
#include <napi.h>

#include <memory>

#include "addon/addon_data.h"
#include "cuda/runtime/devices.h"
#include "engine/step.h"

namespace flashbook {

Napi::Error coded_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

namespace {

Napi::Value cuda_info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const cuda::Found found = cuda::find_devices();
  Napi::Object info = Napi::Object::New(env);
  info.Set("version", FLASHBOOK_VERSION);
  info.Set("driverVersion", found.driver_version);
  info.Set("runtimeVersion", found.runtime_version);
  info.Set("error", found.error);
  Napi::Array devices = Napi::Array::New(env);
  for (const cuda::DeviceInfo& device : found.devices) {
    Napi::Object line = Napi::Object::New(env);
    line.Set("name", device.name);
    line.Set("capability", device.capability);
    line.Set("memoryBytes", static_cast<double>(device.memory_bytes));
    line.Set("multiprocessors", device.multiprocessors);
    devices.Set(devices.Length(), line);
  }
  info.Set("devices", devices);
  return info;
}

Napi::Value cuda_step_names(const Napi::CallbackInfo& call) {
  Napi::Array names = Napi::Array::New(call.Env());
  for (const std::string& name : step_names()) names.Set(names.Length(), name);
  return names;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData);
  register_engine(env, exports);
  register_features(env, exports);
  exports.Set("cudaInfo", Napi::Function::New(env, cuda_info, "cudaInfo"));
  exports.Set("stepNames", Napi::Function::New(env, cuda_step_names, "stepNames"));
  return exports;
}

}  // namespace
}  // namespace flashbook

static Napi::Object Initialise(Napi::Env env, Napi::Object exports) { return flashbook::initialise(env, exports); }

NODE_API_MODULE(flashbook_cuda, Initialise)
