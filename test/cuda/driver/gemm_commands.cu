// gemm m= n= k= transA= transB= precision= activation= a= b= c= bias= factor= residual= packed=1
#include "cuda/gemm/gemm.h"
#include "driver.h"

namespace flashbook::cuda::tests {

namespace {

void run_gemm(Line& line) {
  gemm::Problem problem;
  problem.m = line.integer("m");
  problem.n = line.integer("n");
  problem.k = line.integer("k");
  problem.a = line.buffer<float>("a");
  problem.b = line.buffer<float>("b");
  problem.c = line.buffer<float>("c");
  problem.bias = line.buffer<float>("bias");
  problem.factor = line.buffer<float>("factor");
  problem.residual = line.buffer<float>("residual");
  const bool trans_a = line.integer("transA", 0) != 0, trans_b = line.integer("transB", 0) != 0;
  problem.a_row = trans_a ? 1 : problem.k;
  problem.a_col = trans_a ? problem.m : 1;
  problem.b_row = trans_b ? 1 : problem.n;
  problem.b_col = trans_b ? problem.k : 1;
  problem.activation = activation_of(line.text("activation", "none"));
  const std::string precision = line.text("precision", "f32");
  problem.precision = precision == "bf16" ? Precision::bf16 : precision == "f16" ? Precision::f16
                    : precision == "tf32" ? Precision::tf32 : Precision::f32;
  if (line.integer("packed", 0) != 0) {
    void* packed = line.temporary(gemm::packed_b_bytes(problem));
    check(gemm::pack_b(problem, packed, nullptr), "pack_b");
    problem.packed_b = packed;
  }
  check(gemm::run(problem, line.temporary(gemm::workspace_bytes(problem)), nullptr), "gemm");
}

const Command gemm_command("gemm", run_gemm);

}  // namespace
}  // namespace flashbook::cuda::tests
