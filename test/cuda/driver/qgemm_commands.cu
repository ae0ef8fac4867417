// qgemm m= n= k= activation= x= w= wscale= y= bias= residual= packed=1        quantise rows= k= x= q= scale=
#include "cuda/qgemm/qgemm.h"
#include "driver.h"

namespace flashbook::cuda::tests {
namespace {

void run_qgemm(Line& line) {
  qgemm::Problem problem;
  problem.m = line.integer("m");
  problem.n = line.integer("n");
  problem.k = line.integer("k");
  problem.x = line.buffer<float>("x");
  problem.w = line.buffer<int8_t>("w");
  problem.w_scale = line.buffer<float>("wscale");
  problem.y = line.buffer<float>("y");
  problem.bias = line.buffer<float>("bias");
  problem.residual = line.buffer<float>("residual");
  problem.activation = activation_of(line.text("activation", "none"));
  if (line.integer("packed", 0) != 0) {
    void* packed = line.temporary(qgemm::packed_w_bytes(problem));
    if (packed != nullptr) check(qgemm::pack_w(problem, packed, nullptr), "pack_w");
    problem.packed_w = packed;
  }
  check(qgemm::run(problem, line.temporary(qgemm::workspace_bytes(problem)), nullptr), "qgemm");
}

void run_quantise(Line& line) {
  check(qgemm::quantise_rows(line.buffer<float>("x"), line.integer("rows"), line.integer("k"), line.buffer<int8_t>("q"),
                             line.buffer<float>("scale"), nullptr), "quantise_rows");
}

const Command qgemm_command("qgemm", run_qgemm), quantise_command("quantise", run_quantise);

}  // namespace
}  // namespace flashbook::cuda::tests
