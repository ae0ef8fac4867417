// firstNotFinite(): the check of a prediction's features, which would cost JavaScript more time than a small plan takes.
#include <napi.h>

#include <cstdint>
#include <cstring>

#include "addon/addon_data.h"
#include "addon/typed_array.h"

namespace flashbook {
namespace {

constexpr uint32_t kExponent = 0x7f800000;   // all ones: infinity or NaN
constexpr size_t kChunk = 256;

bool all_finite(const uint32_t* bits, size_t count) {
  uint32_t found = 0;
  for (size_t i = 0; i < count; i++) found |= (bits[i] & kExponent) == kExponent ? 1u : 0u;   // the compiler makes vectors of it
  return found == 0;
}

// (Float32Array): the index of the first NaN or infinity, or −1.
Napi::Value first_not_finite(const Napi::CallbackInfo& call) {
  ArrayView view;
  if (!view_of(call.Env(), call[0], &view) || view.type != napi_float32_array) {
    throw coded_error(call.Env(), "SHAPE", "expected a Float32Array for values");
  }
  const uint32_t* const bits = static_cast<const uint32_t*>(view.data);
  for (size_t at = 0; at < view.elements; at += kChunk) {
    const size_t count = view.elements - at < kChunk ? view.elements - at : kChunk;
    if (all_finite(bits + at, count)) continue;
    size_t i = at;
    while ((bits[i] & kExponent) != kExponent) i++;
    return Napi::Number::New(call.Env(), static_cast<double>(i));
  }
  return Napi::Number::New(call.Env(), -1);
}

}  // namespace

void register_finite(Napi::Env env, Napi::Object exports) {
  exports.Set("firstNotFinite", Napi::Function::New(env, first_not_finite, "firstNotFinite"));
}

}  // namespace flashbook
