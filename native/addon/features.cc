// Features for JavaScript: the kinds, an extractor, a whole batch, one event. Glue only; see native/book/features.
#include <napi.h>

#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "addon/addon_data.h"
#include "addon/typed_array.h"
#include "book/features/extractor.h"

namespace flashbook {
namespace {

using features::BookRow;
using features::Definition;
using features::FeatureExtractor;
using features::MarketEvent;

// A typed array's data, checked for its type and length; null only where the length is 0.
template <class T>
T* column(const Napi::CallbackInfo& info, size_t argument, napi_typedarray_type type, size_t length, const char* name) {
  ArrayView view;
  const bool is_array = view_of(info.Env(), info[argument], &view);
  if (is_array && view.type == type && view.elements == length && (view.data || length == 0)) return static_cast<T*>(view.data);
  const std::string received =
      is_array ? std::string(array_type_name(view.type)) + "(" + std::to_string(view.elements) + ")" : "no typed array";
  throw coded_error(info.Env(), "SHAPE", std::string("expected ") + array_type_name(type) + "(" + std::to_string(length) +
                                             ") for '" + name + "' but received " + received);
}

FeatureExtractor& extractor(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw coded_error(info.Env(), "NATIVE", "expected a feature extractor");
  return *info[0].As<Napi::External<FeatureExtractor>>().Data();
}

// featureKinds(): {name, levels, events, columnsPerLevel, columns}[]
Napi::Value feature_kinds(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array kinds = Napi::Array::New(env);
  for (const features::FeatureKind* kind = features::feature_kinds(); kind->name; kind++) {
    const Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", kind->name);
    entry.Set("levels", kind->takes_levels);
    entry.Set("events", kind->takes_events);
    entry.Set("columnsPerLevel", kind->columns_per_level);
    entry.Set("columns", kind->columns);
    kinds.Set(kinds.Length(), entry);
  }
  return kinds;
}

// createFeatureExtractor(names: string[], parameters: Int32Array (from, to, events a name), levels, tickSize)
Napi::Value create_extractor(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray() || !info[2].IsNumber() || !info[3].IsNumber()) {
    throw coded_error(env, "OPTION", "expected names, parameters, levels and a tick size");
  }
  const auto names = info[0].As<Napi::Array>();
  const size_t count = names.Length();
  const int32_t* parameters = column<const int32_t>(info, 1, napi_int32_array, 3 * count, "parameters");
  std::vector<Definition> definitions(count);
  for (size_t i = 0; i < count; i++) {
    definitions[i].name = names.Get(static_cast<uint32_t>(i)).ToString().Utf8Value();
    definitions[i].parameters = {parameters[3 * i], parameters[3 * i + 1], parameters[3 * i + 2]};
  }
  const int32_t levels = info[2].As<Napi::Number>().Int32Value();
  const int64_t tick_size = info[3].As<Napi::Number>().Int64Value();
  std::unique_ptr<FeatureExtractor> made;
  try {
    made = std::make_unique<FeatureExtractor>(definitions, levels, tick_size);
  } catch (const std::invalid_argument& e) {
    throw coded_error(env, "OPTION", e.what());
  } catch (const std::bad_alloc&) {
    throw coded_error(env, "NATIVE", "not enough memory for features over such windows and levels; shorten the windows");
  }
  return Napi::External<FeatureExtractor>::New(env, made.release(), [](Napi::Env, FeatureExtractor* e) { delete e; });
}

Napi::Value extractor_columns(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), extractor(info).columns());
}

Napi::Value reset_extractor(const Napi::CallbackInfo& info) {
  extractor(info).reset();
  return info.Env().Undefined();
}

// runFeatures(extractor, rows, timeNs, type, side, price, size, askPrice, askSize, bidPrice, bidSize, out):
// goes on from where the extractor is.
Napi::Value run_features(const Napi::CallbackInfo& info) {
  FeatureExtractor& features = extractor(info);
  const int64_t rows = info[1].IsNumber() ? info[1].As<Napi::Number>().Int64Value() : -1;
  if (rows < 0) throw coded_error(info.Env(), "SHAPE", "expected a number of rows");
  const auto n = static_cast<size_t>(rows);
  const auto levels = static_cast<size_t>(features.levels());
  const auto columns = static_cast<size_t>(features.columns());
  const int64_t* time = column<const int64_t>(info, 2, napi_bigint64_array, n, "timeNs");
  const uint8_t* type = column<const uint8_t>(info, 3, napi_uint8_array, n, "type");
  const int8_t* side = column<const int8_t>(info, 4, napi_int8_array, n, "side");
  const int32_t* price = column<const int32_t>(info, 5, napi_int32_array, n, "price");
  const int32_t* size = column<const int32_t>(info, 6, napi_int32_array, n, "size");
  const int32_t* ask_price = column<const int32_t>(info, 7, napi_int32_array, n * levels, "askPrice");
  const int32_t* ask_size = column<const int32_t>(info, 8, napi_int32_array, n * levels, "askSize");
  const int32_t* bid_price = column<const int32_t>(info, 9, napi_int32_array, n * levels, "bidPrice");
  const int32_t* bid_size = column<const int32_t>(info, 10, napi_int32_array, n * levels, "bidSize");
  float* out = column<float>(info, 11, napi_float32_array, n * columns, "out");
  for (size_t i = 0; i < n; i++) {
    const size_t at = i * levels;
    features.update({time[i], price[i], size[i], type[i], side[i]},
                    {ask_price + at, ask_size + at, bid_price + at, bid_size + at}, out + i * columns);
  }
  return info.Env().Undefined();
}

// updateFeatures(extractor, input: Int32Array, out: Float32Array). Input: the time in two words as they lie in memory,
// then price, size, type, side, then ask prices, ask sizes, bid prices, bid sizes.
Napi::Value update_features(const Napi::CallbackInfo& info) {
  FeatureExtractor& features = extractor(info);
  const auto levels = static_cast<size_t>(features.levels());
  const int32_t* input = column<const int32_t>(info, 1, napi_int32_array, 6 + 4 * levels, "input");
  float* out = column<float>(info, 2, napi_float32_array, static_cast<size_t>(features.columns()), "out");
  MarketEvent event;
  std::memcpy(&event.time_ns, input, sizeof event.time_ns);
  event.price = input[2];
  event.size = input[3];
  event.type = static_cast<uint8_t>(input[4]);
  event.side = static_cast<int8_t>(input[5]);
  const int32_t* book = input + 6;
  features.update(event, {book, book + levels, book + 2 * levels, book + 3 * levels}, out);
  return info.Env().Undefined();
}

}  // namespace

void register_features(Napi::Env env, Napi::Object exports) {
  exports.Set("featureKinds", Napi::Function::New(env, feature_kinds, "featureKinds"));
  exports.Set("createFeatureExtractor", Napi::Function::New(env, create_extractor, "createFeatureExtractor"));
  exports.Set("featureColumns", Napi::Function::New(env, extractor_columns, "featureColumns"));
  exports.Set("resetFeatures", Napi::Function::New(env, reset_extractor, "resetFeatures"));
  exports.Set("runFeatures", Napi::Function::New(env, run_features, "runFeatures"));
  exports.Set("updateFeatures", Napi::Function::New(env, update_features, "updateFeatures"));
}

}  // namespace flashbook
