// The door to JavaScript: each glue file registers its functions on `exports`.
#include "addon/addon_data.h"

namespace flashbook {

Napi::Error coded_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

// A build may lack a glue file; then its functions are absent.
__attribute__((weak)) void register_book(Napi::Env, Napi::Object) {}
__attribute__((weak)) void register_features(Napi::Env, Napi::Object) {}

static Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData);
  register_runtime(env, exports);
  register_engine(env, exports);
  register_book(env, exports);
  register_features(env, exports);
  register_augment(env, exports);
  register_finite(env, exports);
  register_peak(env, exports);
  return exports;
}

}  // namespace flashbook

static Napi::Object Initialise(Napi::Env env, Napi::Object exports) { return flashbook::initialise(env, exports); }

NODE_API_MODULE(flashbook, Initialise)
