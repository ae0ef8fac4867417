// Plain scalar LSTM gates: recurrent.h has the formulas.
#include "kernels/recurrent/recurrent.h"

#include <cmath>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

float sigmoid(double x) { return static_cast<float>(1.0 / (1.0 + std::exp(-x))); }

void forward(const float* recurrent, float* gates, const float* c_before, float* c, float* h, int64_t rows, int64_t steps,
             int64_t hidden) {
  for (int64_t r = 0; r < rows; ++r) {
    float* z = gates + r * steps * 4 * hidden;
    for (int64_t j = 0; j < hidden; ++j) {
      double x[4];
      for (int64_t gate = 0; gate < 4; ++gate) {
        x[gate] = z[gate * hidden + j];
        if (recurrent != nullptr) x[gate] += recurrent[r * 4 * hidden + gate * hidden + j];
      }
      const float i = sigmoid(x[0]), f = sigmoid(x[1]), g = static_cast<float>(std::tanh(x[2])), o = sigmoid(x[3]);
      const int64_t at = r * steps * hidden + j;
      const float cell = (c_before == nullptr ? 0.0f : f * c_before[at]) + i * g;
      z[j] = i;
      z[hidden + j] = f;
      z[2 * hidden + j] = g;
      z[3 * hidden + j] = o;
      c[at] = cell;
      h[at] = o * static_cast<float>(std::tanh(static_cast<double>(cell)));
    }
  }
}

void backward(const float* dh, const float* dh_later, float* dc_later, const float* gates, const float* c,
              const float* c_before, float* dz, int64_t rows, int64_t steps, int64_t hidden) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* z = gates + r * steps * 4 * hidden;
    float* out = dz + r * steps * 4 * hidden;
    for (int64_t j = 0; j < hidden; ++j) {
      const int64_t at = r * steps * hidden + j;
      const float i = z[j], f = z[hidden + j], g = z[2 * hidden + j], o = z[3 * hidden + j];
      const float squashed = static_cast<float>(std::tanh(static_cast<double>(c[at])));
      const float d = dh[at] + dh_later[r * hidden + j];
      const float dc = dc_later[r * hidden + j] + d * o * (1.0f - squashed * squashed);
      out[j] = dc * g * (i * (1.0f - i));
      out[hidden + j] = c_before == nullptr ? 0.0f : dc * c_before[at] * (f * (1.0f - f));
      out[2 * hidden + j] = dc * i * (1.0f - g * g);
      out[3 * hidden + j] = d * squashed * (o * (1.0f - o));
      dc_later[r * hidden + j] = dc * f;
    }
  }
}

const RecurrentKernels reference = {forward, backward};

}  // namespace

FLASHBOOK_KERNEL_TABLE(RecurrentKernels, recurrent)

}  // namespace flashbook
