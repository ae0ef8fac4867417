#include "addon/spec_from_js.h"

#include <cmath>

#include "addon/addon_data.h"

namespace flashbook {
namespace {

[[noreturn]] void refuse(const Napi::Value& value, const std::string& what, const char* expected) {
  throw coded_error(value.Env(), "SHAPE", std::string("expected ") + expected + " for " + what);
}

Napi::Object object(const Napi::Value& value, const std::string& what) {
  if (!value.IsObject() || value.IsArray()) refuse(value, what, "an object");
  return value.As<Napi::Object>();
}

Napi::Array array(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) refuse(value, what, "an array");
  return value.As<Napi::Array>();
}

std::string string(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) refuse(value, what, "a string");
  return value.As<Napi::String>().Utf8Value();
}

int64_t integer(const Napi::Value& value, const std::string& what) {
  constexpr double kLargest = 9007199254740991.0;
  if (!value.IsNumber()) refuse(value, what, "an integer");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= -kLargest && number <= kLargest) || number != std::trunc(number)) refuse(value, what, "an integer");
  return static_cast<int64_t>(number);
}

std::vector<int64_t> integers(const Napi::Value& value, const std::string& what) {
  const Napi::Array list = array(value, what);
  std::vector<int64_t> result;
  const uint32_t length = list.Length();
  for (uint32_t i = 0; i < length; i++) result.push_back(integer(list.Get(i), what));
  return result;
}

std::vector<double> numbers(const Napi::Value& value, const std::string& what) {
  const Napi::Array list = array(value, what);
  std::vector<double> result;
  const uint32_t length = list.Length();
  for (uint32_t i = 0; i < length; i++) {
    const Napi::Value number = list.Get(i);
    if (!number.IsNumber()) refuse(number, what + "[" + std::to_string(i) + "]", "a number");
    result.push_back(number.As<Napi::Number>().DoubleValue());
  }
  return result;
}

DType dtype(const Napi::Value& value, const std::string& what) {
  DType result;
  if (!value.IsString() || !parse_dtype(value.As<Napi::String>().Utf8Value(), &result)) {
    refuse(value, what, "one of 'f32', 'i32', 'u32', 'i8', 'u8'");
  }
  return result;
}

TensorSpec tensor(const Napi::Value& value, const std::string& what) {
  const Napi::Object source = object(value, what);
  TensorSpec result;
  result.name = string(source.Get("name"), what + ".name");
  result.dtype = dtype(source.Get("dtype"), what + ".dtype");
  result.shape = integers(source.Get("shape"), what + ".shape");
  result.offset = integer(source.Get("offset"), what + ".offset");
  const Napi::Value space = source.Get("space");
  const std::string text = space.IsString() ? space.As<Napi::String>().Utf8Value() : "";
  if (text != "arena" && text != "state") refuse(space, what + ".space", "'arena' or 'state'");
  result.is_state = text == "state";
  return result;
}

StepSpec step(const Napi::Value& value, const std::string& what) {
  const Napi::Object source = object(value, what);
  StepSpec result;
  result.kernel = string(source.Get("kernel"), what + ".kernel");
  result.inputs = integers(source.Get("inputs"), what + ".inputs");
  result.outputs = integers(source.Get("outputs"), what + ".outputs");
  const Napi::Object attributes = object(source.Get("attrs"), what + ".attrs");
  const Napi::Array names = attributes.GetPropertyNames();
  const uint32_t length = names.Length();
  for (uint32_t i = 0; i < length; i++) {
    const std::string name = names.Get(i).ToString().Utf8Value();
    const Napi::Value attribute = attributes.Get(name);
    if (attribute.IsNumber()) {
      result.attributes[name] = attribute.As<Napi::Number>().DoubleValue();
    } else if (attribute.IsString()) {
      result.attributes[name] = attribute.As<Napi::String>().Utf8Value();
    } else if (attribute.IsBoolean()) {
      result.attributes[name] = attribute.As<Napi::Boolean>().Value();
    } else if (attribute.IsArray()) {
      result.attributes[name] = numbers(attribute, what + ".attrs." + name);
    } else {
      refuse(attribute, what + ".attrs." + name, "a number, a string, a boolean or an array of numbers");
    }
  }
  return result;
}

template <class T>
std::vector<T> list(const Napi::Value& value, const std::string& what, T (*read)(const Napi::Value&, const std::string&)) {
  const Napi::Array source = array(value, what);
  std::vector<T> result;
  const uint32_t length = source.Length();
  for (uint32_t i = 0; i < length; i++) {
    const Napi::HandleScope scope(value.Env());
    result.push_back(read(source.Get(i), what + "[" + std::to_string(i) + "]"));
  }
  return result;
}

StateSpec state(const Napi::Value& value, const std::string& what) {
  const Napi::Object source = object(value, what);
  StateSpec result;
  result.name = string(source.Get("name"), what + ".name");
  result.dtype = dtype(source.Get("dtype"), what + ".dtype");
  result.shape = integers(source.Get("shape"), what + ".shape");
  return result;
}

}  // namespace

std::vector<StateSpec> state_specs_from_js(const Napi::Value& value) { return list(value, "specs", state); }

PlanSpec plan_spec_from_js(const Napi::Value& value) {
  const Napi::Object source = object(value, "plan");
  PlanSpec result;
  const int64_t version = integer(source.Get("version"), "plan.version");
  if (version != 1) {
    throw coded_error(value.Env(), "SHAPE", "expected 1 for plan.version but received " + std::to_string(version));
  }
  result.arena_bytes = integer(source.Get("arenaBytes"), "plan.arenaBytes");
  result.tensors = list(source.Get("tensors"), "plan.tensors", tensor);
  result.steps = list(source.Get("steps"), "plan.steps", step);
  result.inputs = integers(source.Get("inputs"), "plan.inputs");
  result.outputs = integers(source.Get("outputs"), "plan.outputs");
  return result;
}

}  // namespace flashbook
