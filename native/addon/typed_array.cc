#include "addon/typed_array.h"

#include "addon/addon_data.h"

namespace flashbook {

bool view_of(napi_env env, napi_value value, ArrayView* view) {
  bool is_typed_array = false;
  if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array) return false;
  return napi_get_typedarray_info(env, value, &view->type, &view->elements, &view->data, nullptr, nullptr) == napi_ok;
}

napi_typedarray_type array_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return napi_float32_array;
    case DType::i32: return napi_int32_array;
    case DType::u32: return napi_uint32_array;
    case DType::i8: return napi_int8_array;
    case DType::u8: break;
  }
  return napi_uint8_array;
}

const char* array_type_name(napi_typedarray_type type) {
  constexpr const char* kNames[] = {"Int8Array",  "Uint8Array",   "Uint8ClampedArray", "Int16Array",    "Uint16Array",   "Int32Array",
                                    "Uint32Array", "Float32Array", "Float64Array",      "BigInt64Array", "BigUint64Array"};
  return static_cast<size_t>(type) < 11 ? kNames[type] : "typed array of another type";
}

void* checked_data(Napi::Env env, napi_value value, DType dtype, int64_t elements, const char* kind, const std::string& name) {
  ArrayView view;
  const bool is_array = view_of(env, value, &view);
  if (is_array && view.type == array_type(dtype) && view.elements == static_cast<size_t>(elements) && view.data != nullptr) {
    return view.data;
  }
  const std::string expected = std::string(array_type_name(array_type(dtype))) + "(" + std::to_string(elements) + ")";
  const std::string received =
      is_array ? std::string(array_type_name(view.type)) + "(" + std::to_string(view.elements) + ")" : "no typed array";
  throw coded_error(env, "SHAPE", "expected " + expected + " for " + kind + " '" + name + "' but received " + received);
}

}  // namespace flashbook
