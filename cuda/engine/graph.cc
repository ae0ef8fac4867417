#include "cuda/engine/graph.h"

#include <cstdlib>

#include "cuda/runtime/stream.h"
#include "engine/step.h"

namespace flashbook::cuda {
namespace {

class Captured final : public Graph {
 public:
  explicit Captured(cudaGraphExec_t graph) : graph_(graph) {}
  ~Captured() override { cudaGraphExecDestroy(graph_); }
  void replay(cudaStream_t stream) override { check(cudaGraphLaunch(graph_, stream), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t graph_;
};

bool wanted() {
  const char* value = std::getenv("FLASHBOOK_CUDA_GRAPHS");
  return value == nullptr || value[0] != '0';
}

}  // namespace

std::unique_ptr<Graph> capture(cudaStream_t stream, const std::function<void()>& enqueue) {
  if (!wanted()) return nullptr;
  // Thread-local: other threads may allocate meanwhile.
  if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  bool failed = false;
  try {
    enqueue();
  } catch (const DeviceError&) {
    failed = true;   // running step by step will say it with the step's name
  }
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream, &graph) != cudaSuccess || graph == nullptr) {
    cudaGetLastError();
    return nullptr;
  }
  cudaGraphExec_t executable = nullptr;
  const bool ready = !failed && cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess;
  cudaGraphDestroy(graph);
  if (!ready) {
    cudaGetLastError();
    return nullptr;
  }
  return std::make_unique<Captured>(executable);
}

}  // namespace flashbook::cuda
