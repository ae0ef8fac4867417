// addNormals() and multiplySplines(): what the augmentations of training windows spend their time on; see native/kernels/augment.
#include <napi.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "addon/addon_data.h"
#include "addon/typed_array.h"
#include "kernels/augment/augment.h"

namespace flashbook {
namespace {

struct Floats {
  float* data;
  int64_t count;
};

Floats floats_of(const Napi::CallbackInfo& call, size_t argument, const char* name) {
  ArrayView view;
  if (!view_of(call.Env(), call[argument], &view) || view.type != napi_float32_array) {
    throw coded_error(call.Env(), "SHAPE", std::string("expected a Float32Array for ") + name);
  }
  return {static_cast<float*>(view.data), static_cast<int64_t>(view.elements)};
}

// (values, deviation, key: Uint32Array(4), isa | undefined): values += deviation · n.
Napi::Value add_normals(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const Floats values = floats_of(call, 0, "values");
  const double deviation = call[1].IsNumber() ? call[1].As<Napi::Number>().DoubleValue() : NAN;
  if (!std::isfinite(deviation)) throw coded_error(env, "OPTION", "expected a finite number for deviation");
  ArrayView key;
  if (!view_of(env, call[2], &key) || key.type != napi_uint32_array || key.elements != 4) {
    throw coded_error(env, "SHAPE", "expected a Uint32Array(4) for key");
  }
  const uint32_t* const word = static_cast<const uint32_t*>(key.data);
  const AugmentKernels& kernels = augment_table(chosen_isa(env, call[3]));
  if (values.count > 0) {
    kernels.add_normals(values.data, values.count, static_cast<float>(deviation), {word[0], word[1], word[2], word[3]});
  }
  return env.Undefined();
}

// (values, columns, knots, isa | undefined): values (rows, columns) *= the splines through knots (2 or more, columns).
Napi::Value multiply_splines(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  const Floats values = floats_of(call, 0, "values"), y = floats_of(call, 2, "knots");
  const double wanted = call[1].IsNumber() ? call[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(wanted >= 1 && wanted <= 1e9) || wanted != std::floor(wanted)) {
    throw coded_error(env, "OPTION", "expected an integer between 1 and 1e9 for columns");
  }
  const int64_t columns = static_cast<int64_t>(wanted), rows = values.count / columns, knots = y.count / columns;
  if (rows * columns != values.count) {
    throw coded_error(env, "SHAPE", "expected whole rows of " + std::to_string(columns) + " for values but received " +
                                        std::to_string(values.count) + " values");
  }
  if (knots < 2 || knots * columns != y.count) {
    throw coded_error(env, "SHAPE", "expected two or more whole rows of " + std::to_string(columns) +
                                        " for knots but received " + std::to_string(y.count) + " values");
  }
  const AugmentKernels& kernels = augment_table(chosen_isa(env, call[3]));
  std::vector<float> bends(static_cast<size_t>(y.count)), workspace(static_cast<size_t>(knots));
  kernels.spline_bends(y.data, bends.data(), workspace.data(), knots, columns);
  kernels.multiply_splines(values.data, rows, columns, y.data, bends.data(), knots);
  return env.Undefined();
}

}  // namespace

void register_augment(Napi::Env env, Napi::Object exports) {
  exports.Set("addNormals", Napi::Function::New(env, add_normals, "addNormals"));
  exports.Set("multiplySplines", Napi::Function::New(env, multiply_splines, "multiplySplines"));
}

}  // namespace flashbook
