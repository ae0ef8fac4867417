// Plain scalar noise and splines: augment.h has the formulas.
#include "kernels/augment/augment.h"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/dropout/philox_block.h"

namespace flashbook {
namespace {

constexpr double kTurn = 6.283185307179586476925;

void add_normals(float* x, int64_t n, float deviation, const NormalDraw& draw) {
  const DropoutDraw words_of{draw.seed_low, draw.seed_high, draw.stream, draw.step, 0, 1.0f};
  for (int64_t i = 0; i < n; i += 4) {
    uint32_t w[4];
    philox_block(w, static_cast<uint64_t>(i) / 4, words_of);
    double normals[4];
    for (int pair = 0; pair < 2; ++pair) {
      const double radius = std::sqrt(-2 * std::log(((w[2 * pair] >> 8) + 1) * 0x1p-24));
      const double angle = kTurn * (static_cast<int32_t>(w[2 * pair + 1]) >> 8) * 0x1p-24;
      normals[pair] = radius * std::cos(angle);
      normals[pair + 2] = radius * std::sin(angle);
    }
    for (int64_t j = 0; j < std::min<int64_t>(4, n - i); ++j) {
      x[i + j] = static_cast<float>(x[i + j] + static_cast<double>(deviation) * normals[j]);
    }
  }
}

void spline_bends(const float* y, float* m, float* ratio, int64_t knots, int64_t columns) {
  std::fill(m, m + knots * columns, 0.0f);
  ratio[0] = 0;
  for (int64_t i = 1; i < knots - 1; ++i) ratio[i] = 1 / (4 - ratio[i - 1]);
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t i = 1; i < knots - 1; ++i) {
      const int64_t at = i * columns + c;
      m[at] = (6 * (y[at - columns] - 2 * y[at] + y[at + columns]) - m[at - columns]) * ratio[i];
    }
    for (int64_t i = knots - 2; i > 0; --i) m[i * columns + c] -= ratio[i] * m[(i + 1) * columns + c];
  }
}

void multiply_splines(float* x, int64_t rows, int64_t columns, const float* y, const float* m, int64_t knots) {
  for (int64_t row = 0; row < rows; ++row) {
    const SplinePlace p = spline_place(row, rows, knots);
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t left = p.left * columns + c, right = p.right * columns + c;
      x[row * columns + c] *= p.a * y[left] + p.b * y[right] + p.bend_a * m[left] + p.bend_b * m[right];
    }
  }
}

const AugmentKernels reference = {add_normals, spline_bends, multiply_splines};

}  // namespace

FLASHBOOK_KERNEL_TABLE(AugmentKernels, augment)

}  // namespace flashbook
