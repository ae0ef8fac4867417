// Steps embedding {padding}, embedding_grad {count, padding}, operands as in native/engine/steps/embedding.cc.
#include "cuda/embedding/embedding.h"

#include "cuda/engine/steps.h"
#include "engine/steps/embedding_operands.h"

namespace flashbook {

std::unique_ptr<Step> bind_embedding(BindContext& context) {
  const EmbeddingOperands o = embedding_operands(context);
  return cuda::step({.bytes = o.bytes()}, [o](RunContext&) {
    return cuda::embedding::lookup(o.table, o.indices, o.y, o.count, o.positions, o.columns, cuda::stream());
  });
}

std::unique_ptr<Step> bind_embedding_grad(BindContext& context) {
  const EmbeddingGradOperands o = embedding_grad_operands(context);
  return cuda::step({.flops = o.flops(), .bytes = o.bytes()}, [o](RunContext&) {
    return cuda::embedding::gradient(o.dy, o.indices, o.dtable, o.count, o.positions, o.columns, o.padding, cuda::stream());
  });
}

}  // namespace flashbook
