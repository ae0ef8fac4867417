// Plain scalar attention: attention.h has the formulas. One key at a time, online softmax in float64 accumulators.
#include "kernels/attention/attention.h"

#include <cmath>
#include <limits>

#include "kernels/dispatch.h"

namespace flashbook {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Where element 0 of this head lies in row t of q, k and v.
struct Head {
  const AttentionShape& shape;
  const float* qkv;
  int64_t head;

  const float* row(int64_t t, int part) const {
    return qkv + t * 3 * shape.width() + part * shape.width() + head * shape.head_dim;
  }
  const float* q(int64_t t) const { return row(t, 0); }
  const float* k(int64_t t) const { return row(t, 1); }
  const float* v(int64_t t) const { return row(t, 2); }
  int64_t step_of(int64_t query) const { return shape.queries == 1 ? shape.steps - 1 : query; }
  int64_t keys_of(int64_t query) const { return shape.causal ? step_of(query) + 1 : shape.steps; }
  double factor() const { return 1.0 / std::sqrt(static_cast<double>(shape.head_dim)); }
};

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

int64_t forward_scratch(const AttentionShape& shape) { return 2 * shape.head_dim; }

void forward(const AttentionShape& shape, const float* qkv, int64_t head, int64_t first, int64_t last, float* o, float* lse,
             float* scratch) {
  const Head h{shape, qkv, head};
  double* sum = reinterpret_cast<double*>(scratch);
  for (int64_t query = first; query < last; ++query) {
    double top = -kInfinity, total = 0;
    for (int64_t i = 0; i < shape.head_dim; ++i) sum[i] = 0;
    for (int64_t t = 0; t < h.keys_of(query); ++t) {
      const double s = dot(h.q(h.step_of(query)), h.k(t), shape.head_dim) * h.factor();
      if (s == -kInfinity) continue;
      if (!(s <= top)) {
        const double shrink = std::exp(top - s);
        total *= shrink;
        for (int64_t i = 0; i < shape.head_dim; ++i) sum[i] *= shrink;
        top = s;
      }
      const double p = std::exp(s - top);
      total += p;
      for (int64_t i = 0; i < shape.head_dim; ++i) sum[i] += p * h.v(t)[i];
    }
    float* out = o + query * shape.width() + head * shape.head_dim;
    for (int64_t i = 0; i < shape.head_dim; ++i) out[i] = total == 0 ? 0.0f : static_cast<float>(sum[i] / total);
    if (lse) lse[query] = static_cast<float>(top + std::log(total));
  }
}

int64_t backward_scratch(const AttentionShape&) { return 0; }

void backward(const AttentionShape& shape, const float* d_o, const float* qkv, const float* o, const float* lse,
              int64_t head, float* dqkv, float*) {
  const Head h{shape, qkv, head};
  const Head gradient{shape, dqkv, head};
  const auto writable = [](const float* p) { return const_cast<float*>(p); };   // into dqkv, which is ours to write
  for (int64_t t = 0; t < shape.steps; ++t) {
    for (int part = 0; part < 3; ++part) {
      for (int64_t i = 0; i < shape.head_dim; ++i) writable(gradient.row(t, part))[i] = 0.0f;
    }
  }
  for (int64_t query = 0; query < shape.queries; ++query) {
    const int64_t step = h.step_of(query), at = query * shape.width() + head * shape.head_dim;
    const double delta = dot(d_o + at, o + at, shape.head_dim);
    float* dq = writable(gradient.q(step));
    for (int64_t t = 0; t < h.keys_of(query); ++t) {
      const double s = dot(h.q(step), h.k(t), shape.head_dim) * h.factor();
      const double rest = s - lse[query];   // lse is rounded: for large scores that could leave more than 0
      const double p = lse[query] == -kInfinity ? 0.0 : std::exp(rest > 0 ? 0.0 : rest);
      const double ds = p * (dot(d_o + at, h.v(t), shape.head_dim) - delta) * h.factor();
      float* dk = writable(gradient.k(t));
      float* dv = writable(gradient.v(t));
      for (int64_t i = 0; i < shape.head_dim; ++i) {
        dq[i] += static_cast<float>(ds * h.k(t)[i]);
        dk[i] += static_cast<float>(ds * h.q(step)[i]);
        dv[i] += static_cast<float>(p * d_o[at + i]);
      }
    }
  }
}

const AttentionKernels reference = {forward_scratch, backward_scratch, forward, backward};

}  // namespace

FLASHBOOK_KERNEL_TABLE(AttentionKernels, attention)

}  // namespace flashbook
