// Reads specifications out of JavaScript objects. Every field's type is checked; a wrong one throws a coded error that
// names it. What the numbers mean is checked by the engine.
#pragma once

#include <napi.h>

#include "engine/plan_spec.h"

namespace flashbook {

std::vector<StateSpec> state_specs_from_js(const Napi::Value& value);
PlanSpec plan_spec_from_js(const Napi::Value& value);

}  // namespace flashbook
