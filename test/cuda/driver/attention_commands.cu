// attention batch= heads= steps= queries= dim= causal= precision= windows= strides= slopes= (lists by comma) qkv= o= lse=
// attention_grad, the same with do= and dqkv=
#include <sstream>

#include "cuda/attention/attention.h"
#include "driver.h"

namespace flashbook::cuda::tests {
namespace {

template <class T>
void read_list(const std::string& text, T (&into)[attention::kMaxPatternHeads], int heads, T otherwise) {
  std::istringstream words(text);
  std::string word;
  for (int head = 0; head < heads; head++) {
    into[head] = std::getline(words, word, ',') ? static_cast<T>(std::stod(word)) : otherwise;
  }
}

void run_attention(Line& line) {
  attention::Problem problem;
  problem.batch = line.integer("batch");
  problem.heads = static_cast<int>(line.integer("heads"));
  problem.steps = static_cast<int>(line.integer("steps"));
  problem.queries = static_cast<int>(line.integer("queries"));
  problem.head_dim = static_cast<int>(line.integer("dim"));
  problem.patterns.causal = line.integer("causal", 0) != 0;
  problem.patterns.per_head = line.integer("patterns", 0) != 0;
  if (problem.patterns.per_head) {
    read_list(line.text("windows", ""), problem.patterns.window, problem.heads, 0);
    read_list(line.text("strides", ""), problem.patterns.stride, problem.heads, 1);
    read_list(line.text("slopes", ""), problem.patterns.slope, problem.heads, 0.0f);
  }
  const std::string precision = line.text("precision");
  problem.precision = precision == "bf16" ? Precision::bf16 : precision == "f16" ? Precision::f16 : Precision::f32;
  problem.qkv = line.buffer<float>("qkv");
  problem.o = line.buffer<float>("o");
  problem.lse = line.buffer<float>("lse");
  problem.d_o = line.buffer<float>("do");
  problem.dqkv = line.buffer<float>("dqkv");
  if (line.command() == "attention") {
    check(attention::forward(problem, line.temporary(attention::forward_workspace_bytes(problem)), nullptr), "attention");
  } else {
    check(attention::backward(problem, line.temporary(attention::backward_workspace_bytes(problem)), nullptr), "attention_grad");
  }
}

const Command forward_command("attention", run_attention), backward_command("attention_grad", run_attention);

}  // namespace
}  // namespace flashbook::cuda::tests
