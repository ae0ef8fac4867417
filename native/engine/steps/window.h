// The sliding window of a step: attributes strideH, strideW, dilationH, dilationW, top, bottom, left, right over x (B,H,W,C).
#pragma once

#include "engine/steps/operands.h"
#include "kernels/conv/conv.h"

namespace flashbook {

// Checks the attributes; `shape` is that of the image (B,H,W,C).
inline Window window_attributes(const BindContext& context, const std::vector<int64_t>& shape, int64_t kernel_h,
                                int64_t kernel_w) {
  constexpr int64_t kMost = 1 << 24;   // no product below can overflow
  const auto read = [&](const char* name, int64_t low) { return integer_attribute(context, name, low, kMost); };
  Window s = {shape[0], shape[1], shape[2], shape[3], kernel_h, kernel_w, read("strideH", 1), read("strideW", 1),
              read("dilationH", 1), read("dilationW", 1), read("top", 0), read("left", 0), 0, 0};
  const int64_t bottom = read("bottom", 0), right = read("right", 0);
  const auto check = [](const char* name, int64_t value) {
    if (value < 1 || value > kMost) {
      throw BindError(std::string("expected from 1 to 16777216 for the ") + name + " but received " + std::to_string(value));
    }
  };
  check("batch", s.batch);
  check("height", s.height);
  check("width", s.width);
  check("channels", s.channels);
  check("kernel height", kernel_h);
  check("kernel width", kernel_w);
  if (kernel_h * kernel_w > kMost / s.channels) throw BindError("the window has more than 16777216 values");
  const int64_t spare_h = s.height + s.top + bottom - s.dilation_h * (kernel_h - 1) - 1;
  const int64_t spare_w = s.width + s.left + right - s.dilation_w * (kernel_w - 1) - 1;
  if (spare_h < 0 || spare_w < 0) throw BindError("the window is larger than the padded input " + shape_text(shape));
  s.out_height = spare_h / s.stride_h + 1;
  s.out_width = spare_w / s.stride_w + 1;
  return s;
}

}  // namespace flashbook
