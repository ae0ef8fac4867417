// Features on the device for JavaScript: an extractor, and a run over a batch of segments. src/native/cuda-features.ts is the other side.
#include <napi.h>

#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "addon/addon_data.h"
#include "addon/typed_array.h"
#include "book/features/extractor.h"
#include "cuda/engine/device_array.h"
#include "cuda/features/features.h"
#include "cuda/runtime/stream.h"

namespace flashbook {
namespace {

using cuda::features::Session;

// Memory of the device that grows and is kept for the next run.
class Growing {
 public:
  template <class T> T* want(size_t elements) {
    const size_t bytes = elements * sizeof(T);
    if (memory_.bytes() < bytes || memory_.data() == nullptr) {
      memory_ = AlignedMemory();
      memory_ = AlignedMemory(bytes);
      if (memory_.data() == nullptr) throw DeviceError("no memory for " + std::to_string(bytes) + " bytes of features" + memory_left());
    }
    return reinterpret_cast<T*>(memory_.data());
  }
  template <class T> const T* filled(const T* values, size_t elements) {
    T* to = want<T>(elements);
    copy_in(to, values, elements * sizeof(T));
    return to;
  }

 private:
  AlignedMemory memory_;
};

struct Extractor {
  Extractor(const std::vector<cuda::features::Definition>& table, int32_t column_count, int level_count, int flow, int64_t tick)
      : definitions(table), count(static_cast<int32_t>(table.size())), columns(column_count), levels(level_count), flow_levels(flow),
        tick_size(tick) {}

  cuda::DeviceArray<cuda::features::Definition> definitions;
  int32_t count, columns;
  int levels, flow_levels;
  int64_t tick_size;
  Growing starts, time, type, side, price, size, ask_price, ask_size, bid_price, bid_size, memory, out;
};

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

// createCudaFeatures(names: string[], parameters: Int32Array (from, to, events a name), levels, tickSize)
Napi::Value create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsArray() || !info[2].IsNumber() || !info[3].IsNumber()) {
    throw coded_error(env, "OPTION", "expected names, parameters, levels and a tick size");
  }
  const auto names = info[0].As<Napi::Array>();
  const size_t count = names.Length();
  const int32_t* parameters = column<const int32_t>(info, 1, napi_int32_array, 3 * count, "parameters");
  std::vector<features::Definition> definitions(count);
  for (size_t i = 0; i < count; i++) {
    definitions[i].name = names.Get(static_cast<uint32_t>(i)).ToString().Utf8Value();
    definitions[i].parameters = {parameters[3 * i], parameters[3 * i + 1], parameters[3 * i + 2]};
  }
  const int32_t levels = info[2].As<Napi::Number>().Int32Value();
  const int64_t tick_size = info[3].As<Napi::Number>().Int64Value();
  try {
    const features::FeatureExtractor checked(definitions, levels, tick_size);   // the CPU's checks
    std::vector<cuda::features::Definition> table;
    int32_t columns = 0, flow_levels = 0;
    for (const features::Definition& d : definitions) {
      const features::FeatureKind* kind = features::find_feature(d.name);
      const auto number = static_cast<int32_t>(kind - features::feature_kinds());
      if (number >= static_cast<int32_t>(cuda::features::Kind::count)) {
        throw std::invalid_argument("feature '" + d.name + "': CUDA does not have it");
      }
      const int32_t width = kind->column_count(d.parameters);
      table.push_back({static_cast<cuda::features::Kind>(number), d.parameters.from, d.parameters.to, d.parameters.events, columns, width,
                       kind->compressed ? 1 : 0});
      columns += width;
      if (kind->takes_levels && kind->takes_events) flow_levels = std::max(flow_levels, d.parameters.to);
    }
    auto made = std::make_unique<Extractor>(table, columns, levels, flow_levels, tick_size);
    return Napi::External<Extractor>::New(env, made.release(), [](Napi::Env, Extractor* e) { delete e; });
  } catch (const std::invalid_argument& e) {
    throw coded_error(env, "OPTION", e.what());
  } catch (const BindError& e) {
    throw coded_error(env, "NATIVE", e.what());
  } catch (const DeviceError& e) {
    throw coded_error(env, "NATIVE", e.what());
  } catch (const std::bad_alloc&) {
    throw coded_error(env, "NATIVE", "not enough memory for features over such windows and levels; shorten the windows");
  }
}

Extractor& extractor(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw coded_error(info.Env(), "NATIVE", "expected a feature extractor");
  return *info[0].As<Napi::External<Extractor>>().Data();
}

Napi::Value columns_of(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), extractor(info).columns); }

// runCudaFeatures(extractor, rows, starts: BigInt64Array, timeNs, type, side, price, size, askPrice, askSize, bidPrice, bidSize, out)
Napi::Value run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Extractor& e = extractor(info);
  const int64_t rows = info[1].IsNumber() ? info[1].As<Napi::Number>().Int64Value() : -1;
  if (rows < 0) throw coded_error(env, "SHAPE", "expected a number of rows");
  if (rows == 0) return env.Undefined();
  ArrayView view;
  if (!view_of(env, info[2], &view) || view.type != napi_bigint64_array || view.elements < 1 || view.elements > INT32_MAX) {
    throw coded_error(env, "SHAPE", "expected a BigInt64Array with at least one row for 'segments'");
  }
  const size_t segments = view.elements, n = static_cast<size_t>(rows), cells = n * static_cast<size_t>(e.levels);
  const int64_t* starts = static_cast<const int64_t*>(view.data);
  for (size_t i = 0; i < segments; i++) {
    const bool rises = i == 0 ? starts[0] == 0 : starts[i] > starts[i - 1];
    if (!rises || starts[i] >= rows) {
      throw coded_error(env, "OPTION", "expected rising first rows from 0 to " + std::to_string(rows - 1) + " for segments but received " +
                                           std::to_string(starts[i]) + " for segment " + std::to_string(i));
    }
  }
  const auto* time = column<const int64_t>(info, 3, napi_bigint64_array, n, "timeNs");
  const auto* type = column<const uint8_t>(info, 4, napi_uint8_array, n, "type");
  const auto* side = column<const int8_t>(info, 5, napi_int8_array, n, "side");
  const auto* price = column<const int32_t>(info, 6, napi_int32_array, n, "price");
  const auto* size = column<const int32_t>(info, 7, napi_int32_array, n, "size");
  const auto* ask_price = column<const int32_t>(info, 8, napi_int32_array, cells, "askPrice");
  const auto* ask_size = column<const int32_t>(info, 9, napi_int32_array, cells, "askSize");
  const auto* bid_price = column<const int32_t>(info, 10, napi_int32_array, cells, "bidPrice");
  const auto* bid_size = column<const int32_t>(info, 11, napi_int32_array, cells, "bidSize");
  const size_t values = n * static_cast<size_t>(e.columns);
  auto* out = column<float>(info, 12, napi_float32_array, values, "out");
  if (values == 0) return env.Undefined();
  try {
    Session session{.rows = rows, .levels = e.levels, .flow_levels = e.flow_levels, .segments = static_cast<int32_t>(segments),
                    .segment_starts = e.starts.filled(starts, segments), .time_ns = e.time.filled(time, n),
                    .type = e.type.filled(type, n), .side = e.side.filled(side, n), .price = e.price.filled(price, n),
                    .size = e.size.filled(size, n), .ask_price = e.ask_price.filled(ask_price, cells),
                    .ask_size = e.ask_size.filled(ask_size, cells), .bid_price = e.bid_price.filled(bid_price, cells),
                    .bid_size = e.bid_size.filled(bid_size, cells)};
    float* device_out = e.out.want<float>(values);
    int64_t* memory = e.memory.want<int64_t>(cuda::features::memory_values(session));
    cuda::check(cuda::features::extract(session, e.definitions.data(), e.count, e.columns, e.tick_size, memory, device_out, cuda::stream()),
                "launching the features");
    copy_out(out, device_out, values * sizeof(float));
  } catch (const DeviceError& error) {
    throw coded_error(env, "NATIVE", error.what());
  }
  return env.Undefined();
}

}  // namespace

void register_features(Napi::Env env, Napi::Object exports) {
  exports.Set("createCudaFeatures", Napi::Function::New(env, create, "createCudaFeatures"));
  exports.Set("cudaFeatureColumns", Napi::Function::New(env, columns_of, "cudaFeatureColumns"));
  exports.Set("runCudaFeatures", Napi::Function::New(env, run, "runCudaFeatures"));
}

}  // namespace flashbook
