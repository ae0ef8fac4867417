// A captured run: the launches of a plan as one CUDA graph, replayed with one call. graph.cc captures; graph_absent.cc is
// linked where the runtime cannot.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>

namespace flashbook::cuda {

class Graph {
 public:
  virtual ~Graph() = default;
  virtual void replay(cudaStream_t stream) = 0;   // throws DeviceError
};

// Captures what `enqueue` puts into the stream, without running it. Null where capture is not offered, or not possible for this
// work, or switched off by FLASHBOOK_CUDA_GRAPHS=0: then the caller goes on launching step by step.
std::unique_ptr<Graph> capture(cudaStream_t stream, const std::function<void()>& enqueue);

}  // namespace flashbook::cuda
