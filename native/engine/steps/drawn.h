// The probability and the stream of a step that drops elements, and rng u32 (4) = [seed low, seed high, step, unused], read at every run.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/steps/operands.h"
#include "kernels/dropout/dropout.h"

namespace flashbook {

class Drawn {
 public:
  // The probability is attribute `name`, at most `largest`; `range` says so in words.
  Drawn(const BindContext& context, const Operand& rng, const char* name = "p", double largest = 1,
        const char* range = "a probability from 0 to 1")
      : rng_(rng.as<uint32_t>()) {
    const double p = context.number(name);
    if (!(p >= 0 && p <= largest)) attribute_error(name, range, p);
    draw_.stream = static_cast<uint32_t>(integer_attribute(context, "stream", 0, UINT32_MAX));
    draw_.threshold = static_cast<uint32_t>(std::floor(p * 65536.0 + 0.5));
    draw_.scale = static_cast<float>(65536.0 / (65536.0 - draw_.threshold));
  }

  // What does not change from run to run.
  const DropoutDraw& attributes() const { return draw_; }

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
