// The attributes p and stream of a step that drops elements, and rng u32 (4) = [seed low, seed high, step, unused], read at every run.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/steps/operands.h"
#include "kernels/dropout/dropout.h"

namespace flashbook {

class Drawn {
 public:
  Drawn(const BindContext& context, const Operand& rng) : rng_(rng.as<uint32_t>()) {
    const double p = context.number("p");
    if (!(p >= 0 && p <= 1)) attribute_error("p", "a probability from 0 to 1", p);
    draw_.stream = static_cast<uint32_t>(integer_attribute(context, "stream", 0, UINT32_MAX));
    draw_.threshold = static_cast<uint32_t>(std::floor(p * 65536.0 + 0.5));
    draw_.scale = static_cast<float>(65536.0 / (65536.0 - draw_.threshold));
  }

  DropoutDraw draw() const {
    DropoutDraw draw = draw_;
    draw.seed_low = rng_[0];
    draw.seed_high = rng_[1];
    draw.step = rng_[2];
    return draw;
  }

 private:
  const uint32_t* rng_;
  DropoutDraw draw_{};
};

}  // namespace flashbook
