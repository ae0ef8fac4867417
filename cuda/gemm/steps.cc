// Steps linear {activation, precision}: y = activation(x·wᵀ + bias) + residual, and matmul {transA, transB, precision}:
// y = (op(a)·op(b))∘factor + residual, operands as on the processor. With bf16 the weights of a frozen plan are rounded and packed once.
#include "cuda/gemm/attributes.h"
#include "engine/steps/product_operands.h"

namespace flashbook {
namespace {

using cuda::gemm::Problem;

// `b` is the operand behind problem.b.
std::unique_ptr<Step> product(BindContext& context, Problem problem, const Operand& b) {
  if (problem.n > cuda::gemm::kMaxColumns || problem.k > cuda::gemm::kMaxInner) {
    throw BindError("expected at most " + std::to_string(cuda::gemm::kMaxColumns) + " columns and " +
                    std::to_string(cuda::gemm::kMaxInner) + " summands but received " + std::to_string(problem.n) + " and " +
                    std::to_string(problem.k));
  }
  const size_t packed = cuda::gemm::packed_b_bytes(problem);
  if (packed > 0 && context.frozen() && b.is_state) {
    const std::string layout = std::string("cuda.gemm.bf16") + (problem.b_row == 1 ? "" : ".transposed");
    problem.packed_b = context.packed(b, layout, packed, [=](void* to) {
      cuda::check(cuda::gemm::pack_b(problem, to, cuda::stream()), "packing of weights");
    });
  }
  context.workspace(cuda::gemm::workspace_bytes(problem));
  const double m = static_cast<double>(problem.m), n = static_cast<double>(problem.n), k = static_cast<double>(problem.k);
  return cuda::step({.flops = 2 * m * n * k, .bytes = 4 * (m * k + k * n + m * n * (1 + (problem.factor != nullptr) + (problem.residual != nullptr)))},
                    [=](RunContext& run) { return cuda::gemm::run(problem, run.workspace, cuda::stream()); });
}

}  // namespace

std::unique_ptr<Step> bind_linear(BindContext& context) {
  Problem problem;
  const Operand& w = read_linear(context, problem);
  problem.activation = cuda::activation_attribute(context);
  problem.precision = cuda::precision_attribute(context);
  return product(context, problem, w);
}

std::unique_ptr<Step> bind_matmul(BindContext& context) {
  Problem problem;
  const Operand& b = read_matmul(context, problem);
  problem.precision = cuda::precision_attribute(context);
  return product(context, problem, b);
}

}  // namespace flashbook
