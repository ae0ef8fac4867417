// A typed array as native code may touch it, during the call that received it.
#pragma once

#include <napi.h>

#include "engine/step.h"

namespace flashbook {

struct ArrayView {
  void* data = nullptr;
  size_t elements = 0;
  napi_typedarray_type type = napi_int8_array;
};

// False when `value` is no typed array.
bool view_of(napi_env env, napi_value value, ArrayView* view);

napi_typedarray_type array_type(DType dtype);
const char* array_type_name(napi_typedarray_type type);

// The data of `value`, which must be a typed array of this dtype with exactly `elements` elements; else throws a SHAPE
// error that names `kind` and `name`.
void* checked_data(Napi::Env env, napi_value value, DType dtype, int64_t elements, const char* kind, const std::string& name);

}  // namespace flashbook
