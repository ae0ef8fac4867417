// Plain scalar attention: attention.h has the formulas. One key at a time, online softmax in float64 accumulators.
#include "kernels/attention/attention.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/dropout/philox_block.h"

namespace flashbook {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// An operand of a product: rounded to bf16, half to even, where the rows say so.
double operand(const AttentionRows& rows, double value) {
  float x = static_cast<float>(value);
  if (!rows.bf16 || std::isnan(x)) return rows.bf16 ? x : value;
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&x, &bits, 4);
  return x;
}

double dot(const AttentionRows& rows, const float* a, const float* b) {
  double sum = 0;
  for (int64_t i = 0; i < rows.head_dim; ++i) sum += operand(rows, a[i]) * operand(rows, b[i]);
  return sum;
}

double factor(const AttentionRows& rows) { return 1.0 / std::sqrt(static_cast<double>(rows.head_dim)); }

double score(const AttentionRows& rows, int64_t query, int64_t key) {
  const int64_t row = rows.row_of(query);
  return dot(rows, rows.q + query * rows.ld, rows.k + key * rows.ld) * factor(rows) -
         static_cast<double>(rows.slope) * static_cast<double>(std::abs(row - key));
}

// What dropout makes of weights of 1. Eight keys in turn share the words of a block.
struct Masks {
  const AttentionRows& rows;
  uint64_t block = UINT64_MAX;
  uint32_t words[4] = {};

  double at(int64_t query, int64_t key) {
    if (!rows.drops()) return 1;
    const uint64_t element = rows.element(query, key);
    if (element / 8 != block) philox_block(words, block = element / 8, rows.dropout);
    return stays(words, static_cast<int64_t>(element % 8), rows.dropout) ? static_cast<double>(rows.dropout.scale) : 0;
  }
};

int64_t forward_scratch(const AttentionRows& rows) { return 2 * rows.head_dim; }

void forward(const AttentionRows& rows, int64_t first, int64_t last, float* o, int64_t o_ld, float* lse, int64_t lse_ld,
             float* scratch) {
  double* sum = reinterpret_cast<double*>(scratch);
  Masks masks{rows};
  for (int64_t query = first; query < last; ++query) {
    double top = -kInfinity, total = 0;
    for (int64_t i = 0; i < rows.head_dim; ++i) sum[i] = 0;
    for (int64_t key = rows.first_key(query); key < rows.end_key(query); ++key) {
      const double s = score(rows, query, key);
      if (s == -kInfinity) continue;
      if (!(s <= top)) {
        const double shrink = std::exp(top - s);
        total *= shrink;
        for (int64_t i = 0; i < rows.head_dim; ++i) sum[i] *= shrink;
        top = s;
      }
      const double p = std::exp(s - top);
      total += p;
      const double weight = operand(rows, p * masks.at(query, key));
      for (int64_t i = 0; i < rows.head_dim; ++i) sum[i] += weight * operand(rows, rows.v[key * rows.ld + i]);
    }
    for (int64_t i = 0; i < rows.head_dim; ++i) o[query * o_ld + i] = total == 0 ? 0.0f : static_cast<float>(sum[i] / total);
    if (lse) lse[query * lse_ld] = static_cast<float>(top + std::log(total));
  }
}

int64_t backward_scratch(const AttentionRows&) { return 0; }

void backward(const AttentionRows& rows, const float* d_o, const float* o, int64_t o_ld, const float* lse, int64_t lse_ld,
              float* dq, float* dk, float* dv, float*) {
  for (int64_t t = 0; t < rows.steps; ++t) {
    for (int64_t i = 0; i < rows.head_dim; ++i) dq[t * rows.ld + i] = dk[t * rows.ld + i] = dv[t * rows.ld + i] = 0.0f;
  }
  Masks masks{rows};
  for (int64_t query = 0; query < rows.queries; ++query) {
    const int64_t row = rows.row_of(query);
    const float* d_out = d_o + query * o_ld;
    const double l = lse[query * lse_ld];
    double delta = 0;
    for (int64_t i = 0; i < rows.head_dim; ++i) delta += operand(rows, d_out[i]) * o[query * o_ld + i];
    for (int64_t key = rows.first_key(query); key < rows.end_key(query); ++key) {
      const double rest = score(rows, query, key) - l;   // lse is rounded: for large scores that could leave more than 0
      const double p = l == -kInfinity ? 0.0 : std::exp(rest > 0 ? 0.0 : rest);
      const double m = masks.at(query, key), d_p = dot(rows, d_out, rows.v + key * rows.ld) * m;
      const double ds = operand(rows, p * (d_p - delta) * factor(rows));
      for (int64_t i = 0; i < rows.head_dim; ++i) {
        dq[row * rows.ld + i] += static_cast<float>(ds * operand(rows, rows.k[key * rows.ld + i]));
        dk[key * rows.ld + i] += static_cast<float>(ds * operand(rows, rows.q[query * rows.ld + i]));
        dv[key * rows.ld + i] += static_cast<float>(operand(rows, p * m) * operand(rows, d_out[i]));
      }
    }
  }
}

const AttentionKernels reference = {forward_scratch, backward_scratch, forward, backward};

}  // namespace

FLASHBOOK_BF16_KERNEL_TABLE(AttentionKernels, attention)

}  // namespace flashbook
