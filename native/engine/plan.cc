#include "engine/plan.h"

#include <algorithm>
#include <set>
#include <shared_mutex>

#include "engine/bind_context.h"

namespace flashbook {
namespace {

// A plan of fewer operations is over before a sleeping thread has come to help.
constexpr double kWorthHolding = 1e7;

std::string tensor_label(size_t index, const std::string& name) {
  return "tensor " + std::to_string(index) + " '" + name + "'";
}

StepFactory factory_of(const std::string& kernel) {
  if (StepFactory factory = find_step(kernel)) return factory;
  const std::string guess = nearest(kernel, step_names());
  throw BindError(no_such_step() + (guess.empty() ? "" : "; did you mean '" + guess + "'?"));
}

// A kernel may work in place, but an output that covers a part of another operand would be overwritten while it is read.
void refuse_partial_overlap(const StepSpec& step, const std::vector<Operand>& tensors, const std::vector<int64_t>& bytes) {
  const auto span = [&](int64_t t) {
    const auto begin = reinterpret_cast<uintptr_t>(tensors[static_cast<size_t>(t)].data);
    return std::pair<uintptr_t, uintptr_t>(begin, begin + static_cast<uintptr_t>(bytes[static_cast<size_t>(t)]));
  };
  const auto check = [&](int64_t a, int64_t b, bool same_allowed) {
    if (a < 0 || b < 0) return;
    const auto x = span(a), y = span(b);
    if (x.second <= y.first || y.second <= x.first || (same_allowed && x == y)) return;
    throw BindError(tensor_label(static_cast<size_t>(a), tensors[static_cast<size_t>(a)].name) + " overlaps " +
                    tensor_label(static_cast<size_t>(b), tensors[static_cast<size_t>(b)].name));
  };
  for (size_t i = 0; i < step.outputs.size(); i++) {
    for (int64_t input : step.inputs) check(step.outputs[i], input, true);
    for (size_t j = 0; j < i; j++) check(step.outputs[i], step.outputs[j], false);
  }
}

}  // namespace

Plan::Plan(PlanSpec spec, std::shared_ptr<State> state, Isa isa, bool frozen, ThreadPool& pool)
    : isa_(isa), pool_(pool), state_(std::move(state)) {
  bind_tensors(spec);
  bind_ports(spec);
  claim_state(spec, frozen);
  try {
    bind_steps(spec, frozen);
  } catch (...) {
    for (State::Buffer* buffer : frozen_buffers_) buffer->frozen_readers--;
    for (State::Buffer* buffer : written_buffers_) buffer->writers--;
    throw;
  }
}

Plan::~Plan() {
  for (State::Buffer* buffer : plain_buffers_) buffer->plain_readers--;
  for (State::Buffer* buffer : frozen_buffers_) buffer->frozen_readers--;
  for (State::Buffer* buffer : written_buffers_) buffer->writers--;
}

void Plan::bind_tensors(const PlanSpec& spec) {
  constexpr int64_t kLargestArena = int64_t{1} << 46;
  if (spec.arena_bytes < 0 || spec.arena_bytes % 64 != 0 || spec.arena_bytes > kLargestArena) {
    throw BindError("expected a multiple of 64 up to 2^46 for arenaBytes but received " + std::to_string(spec.arena_bytes));
  }
  arena_ = AlignedMemory(static_cast<size_t>(spec.arena_bytes));
  if (arena_.data() == nullptr) {
    throw BindError("no memory for an arena of " + std::to_string(spec.arena_bytes) + " bytes" + memory_left());
  }
  for (size_t i = 0; i < spec.tensors.size(); i++) {
    const TensorSpec& tensor = spec.tensors[i];
    const std::string label = tensor_label(i, tensor.name);
    const int64_t bytes = tensor_bytes(label, tensor.dtype, tensor.shape);
    Operand operand;
    operand.dtype = tensor.dtype;
    operand.shape = tensor.shape;
    operand.is_state = tensor.is_state;
    operand.name = tensor.name;
    if (tensor.is_state) {
      const State::Buffer* buffer = state_->find(tensor.name);
      if (buffer == nullptr) {
        const std::string guess = state_->nearest_name(tensor.name);
        throw BindError(label + ": the state has no such buffer" + (guess.empty() ? "" : "; did you mean '" + guess + "'?"));
      }
      if (buffer->spec.dtype != tensor.dtype || buffer->spec.shape != tensor.shape || tensor.offset != 0) {
        throw BindError("expected " + std::string(dtype_name(buffer->spec.dtype)) + " " + shape_text(buffer->spec.shape) +
                        " at offset 0, as in the state, for " + label + " but received " + dtype_name(tensor.dtype) + " " +
                        shape_text(tensor.shape) + " at offset " + std::to_string(tensor.offset));
      }
      expect_held(*buffer);
      operand.data = buffer->memory.data();
    } else {
      if (tensor.offset < 0 || tensor.offset % 64 != 0 || tensor.offset > spec.arena_bytes - bytes) {
        throw BindError("expected an offset that is a multiple of 64 with its " + std::to_string(bytes) +
                        " bytes inside the arena of " + std::to_string(spec.arena_bytes) + " for " + label +
                        " but received " + std::to_string(tensor.offset));
      }
      operand.data = arena_.data() + tensor.offset;
    }
    tensors_.push_back(std::move(operand));
    tensor_bytes_.push_back(bytes);
  }
}

void Plan::bind_ports(const PlanSpec& spec) {
  const auto port = [&](const char* kind, size_t i, int64_t index) {
    if (index < 0 || index >= static_cast<int64_t>(tensors_.size())) {
      throw BindError("expected the index of a tensor for " + std::string(kind) + " " + std::to_string(i) + " but received " +
                      std::to_string(index));
    }
    const Operand& operand = tensors_[static_cast<size_t>(index)];
    return Port{operand.name, operand.dtype, static_cast<std::byte*>(operand.data), operand.elements(),
                tensor_bytes_[static_cast<size_t>(index)]};
  };
  for (size_t i = 0; i < spec.inputs.size(); i++) {
    inputs_.push_back(port("input", i, spec.inputs[i]));
    if (tensors_[static_cast<size_t>(spec.inputs[i])].is_state) {
      throw BindError("expected a tensor of the arena for input " + std::to_string(i) + " but received state '" +
                      inputs_.back().name + "'");
    }
    for (size_t j = 0; j < i; j++) {
      const Port &a = inputs_[j], &b = inputs_[i];
      if (a.data < b.data + b.bytes && b.data < a.data + a.bytes) {
        throw BindError("inputs " + std::to_string(j) + " and " + std::to_string(i) + " overlap");
      }
    }
  }
  for (size_t i = 0; i < spec.outputs.size(); i++) outputs_.push_back(port("output", i, spec.outputs[i]));
}

// A frozen plan may hold packed copies of every buffer that it reads, so nobody may write those while it lives.
void Plan::claim_state(const PlanSpec& spec, bool frozen) {
  std::set<State::Buffer*> read, written;
  const auto collect = [&](size_t step, const std::vector<int64_t>& indices, std::set<State::Buffer*>& into) {
    for (int64_t index : indices) {
      if (index < -1 || index >= static_cast<int64_t>(tensors_.size())) {
        throw BindError("step " + std::to_string(step) + " (" + spec.steps[step].kernel +
                        "): expected the index of a tensor, or -1, but received " + std::to_string(index));
      }
      if (index >= 0 && tensors_[static_cast<size_t>(index)].is_state) {
        into.insert(state_->find(tensors_[static_cast<size_t>(index)].name));
      }
    }
  };
  for (size_t i = 0; i < spec.steps.size(); i++) {
    collect(i, spec.steps[i].inputs, read);
    collect(i, spec.steps[i].outputs, written);
  }
  for (State::Buffer* buffer : written) {
    if (frozen) throw BindError("a frozen plan must not write state '" + buffer->spec.name + "'");
    if (buffer->frozen_readers > 0) {
      throw BindError("state '" + buffer->spec.name + "' is read by a frozen plan, so no plan may write it");
    }
  }
  if (frozen) {
    for (State::Buffer* buffer : read) {
      if (buffer->writers > 0) {
        throw BindError("state '" + buffer->spec.name + "' is written by another plan, so no frozen plan may read it");
      }
    }
    frozen_buffers_.assign(read.begin(), read.end());
  }
  written_buffers_.assign(written.begin(), written.end());
  for (State::Buffer* buffer : frozen_buffers_) buffer->frozen_readers++;
  for (State::Buffer* buffer : written_buffers_) buffer->writers++;
}

void Plan::bind_steps(const PlanSpec& spec, bool frozen) {
  size_t workspace_bytes = 0;
  std::set<State::Buffer*> plain;   // read as they are
  const auto reads_plainly = [&](int64_t index) {
    const Operand& operand = tensors_[static_cast<size_t>(index)];
    if (operand.is_state) plain.insert(state_->find(operand.name));
  };
  for (int64_t output : spec.outputs) reads_plainly(output);
  for (size_t i = 0; i < spec.steps.size(); i++) {
    const StepSpec& step = spec.steps[i];
    try {
      refuse_partial_overlap(step, tensors_, tensor_bytes_);
      const StepFactory factory = factory_of(step.kernel);
      StepBinder binder(step, tensors_, isa_, pool_, frozen ? state_.get() : nullptr, &packings_);
      steps_.push_back(factory(binder));
      workspace_bytes = std::max(workspace_bytes, binder.workspace_bytes());
      for (int64_t input : step.inputs) {
        if (input >= 0 && !binder.has_packed(tensors_[static_cast<size_t>(input)].data)) reads_plainly(input);
      }
    } catch (const BindError& error) {
      throw BindError("step " + std::to_string(i) + " (" + step.kernel + "): " + error.what());
    }
    StepProfile profile;
    profile.kernel = step.kernel;
    for (int64_t output : step.outputs) {
      if (output < 0) continue;
      profile.label = tensors_[static_cast<size_t>(output)].name;
      break;
    }
    profile.flops = steps_.back()->flops();
    operations_ += profile.flops;
    profile.bytes = steps_.back()->bytes();
    profile_.push_back(std::move(profile));
  }
  if (frozen) {
    chains_ = chain_rows(steps_, spec.steps, tensors_, tensor_bytes_, pool_.threads());
    cuts_ = cut_rows(steps_, pool_.threads());
    workspace_bytes = std::max({workspace_bytes, chains_.workspace, cuts_.workspace});
  }
  workspace_ = AlignedMemory(workspace_bytes);
  if (workspace_.data() == nullptr) {
    throw BindError("no memory for " + std::to_string(workspace_bytes) + " bytes of workspace" + memory_left());
  }
  plain_buffers_.assign(plain.begin(), plain.end());
  for (State::Buffer* buffer : plain_buffers_) buffer->plain_readers++;
}

bool Plan::run() {
  RunContext context{pool_, workspace_.data()};
  const bool profiling = profiling_.load(std::memory_order_relaxed);
  const bool writes = !written_buffers_.empty();
  std::shared_lock<std::shared_mutex> shared(state_->guard(), std::defer_lock);
  std::unique_lock<std::shared_mutex> alone(state_->guard(), std::defer_lock);
  if (writes) {
    alone.lock();
  } else {
    shared.lock();
  }
  const PoolHold hold(operations_ >= kWorthHolding ? &pool_ : nullptr);
  const auto& steps = chains_.steps.empty() ? steps_ : profiling ? cuts_.steps : chains_.steps;
  return execution_.run(steps, context, cancelled_, profile_, profiling);
}

int64_t Plan::packed_bytes() const {
  std::set<const Packing*> distinct;
  int64_t bytes = 0;
  for (const auto& packing : packings_) {
    if (distinct.insert(packing.get()).second) bytes += static_cast<int64_t>(packing->memory.bytes());
  }
  return bytes;
}

std::vector<StepProfile> Plan::profile() {
  std::lock_guard<std::mutex> lock(guard_);
  return profile_;
}

void Plan::reset_profile() {
  std::lock_guard<std::mutex> lock(guard_);
  for (StepProfile& step : profile_) step.calls = step.nanoseconds = 0;
}

}  // namespace flashbook
