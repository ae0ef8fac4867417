// The attributes that steps with a matrix product share.
#pragma once

#include "cuda/engine/steps.h"
#include "cuda/gemm/gemm.h"

namespace flashbook::cuda {

inline Activation activation_attribute(const BindContext& context) {
  const std::string name = context.text("activation", "none");
  if (name == "none") return Activation::none;
  if (name == "relu") return Activation::relu;
  if (name == "gelu") return Activation::gelu;
  throw BindError("expected one of 'none', 'relu', 'gelu' for attribute activation but received '" + name + "'");
}

inline Precision precision_attribute(const BindContext& context) {
  const std::string name = context.text("precision", "f32");
  if (name == "f32") return Precision::f32;
  if (name == "bf16") return Precision::bf16;
  throw BindError("expected one of 'f32', 'bf16' for attribute precision but received '" + name + "'");
}

}  // namespace flashbook::cuda
