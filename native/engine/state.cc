#include "engine/state.h"

#include <algorithm>
#include <numeric>

namespace flashbook {

State::State(std::vector<StateSpec> specs) {
  buffers_.reserve(specs.size());
  for (StateSpec& spec : specs) {
    Buffer buffer;
    const std::string what = "state '" + spec.name + "'";
    buffer.bytes = tensor_bytes(what, spec.dtype, spec.shape);
    if (!index_.emplace(spec.name, buffers_.size()).second) throw BindError(what + " is there twice");
    buffer.memory = AlignedMemory(static_cast<size_t>(buffer.bytes));
    if (buffer.memory.data() == nullptr) {
      throw BindError("no memory for the " + std::to_string(buffer.bytes) + " bytes of " + what + memory_left());
    }
    bytes_ += buffer.bytes;
    buffer.spec = std::move(spec);
    buffers_.push_back(std::move(buffer));
  }
}

State::Buffer* State::find(const std::string& name) {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &buffers_[found->second];
}

std::string State::nearest_name(const std::string& name) const {
  std::vector<std::string> names;
  for (const Buffer& buffer : buffers_) names.push_back(buffer.spec.name);
  return nearest(name, names);
}

void expect_held(const State::Buffer& buffer) {
  if (!buffer.released) return;
  throw BindError("state '" + buffer.spec.name + "' was released when its plans had packed it; make a new state");
}

int64_t State::release_packed() {
  std::unique_lock<std::shared_mutex> lock(guard_);
  int64_t freed = 0;
  for (Buffer& buffer : buffers_) {
    if (buffer.released || buffer.frozen_readers == 0 || buffer.writers > 0 || buffer.plain_readers > 0) continue;
    buffer.memory = AlignedMemory();
    buffer.released = true;
    freed += buffer.bytes;
  }
  bytes_ -= freed;
  return freed;
}

void State::set(Buffer& buffer, const void* data) {
  if (buffer.frozen_readers > 0) {
    throw BindError("state '" + buffer.spec.name + "' cannot change: " + std::to_string(buffer.frozen_readers) +
                    " frozen plan(s) hold packed copies of it; dispose them first");
  }
  expect_held(buffer);
  std::unique_lock<std::shared_mutex> lock(guard_);
  copy_in(buffer.memory.data(), data, static_cast<size_t>(buffer.bytes));
}

void State::get(const Buffer& buffer, void* data) {
  expect_held(buffer);
  std::shared_lock<std::shared_mutex> lock(guard_);
  copy_out(data, buffer.memory.data(), static_cast<size_t>(buffer.bytes));
}

std::shared_ptr<Packing> State::packed(const Operand& operand, const std::string& layout, size_t bytes,
                                       const std::function<void(void*)>& fill) {
  std::weak_ptr<Packing>& slot = packings_[{operand.data, layout}];
  if (std::shared_ptr<Packing> existing = slot.lock()) {
    if (existing->memory.bytes() != bytes) throw BindError("layout '" + layout + "' asked for with two sizes");
    return existing;
  }
  auto created = std::make_shared<Packing>();
  created->memory = AlignedMemory(bytes);
  if (created->memory.data() == nullptr) {
    throw BindError("no memory for " + std::to_string(bytes) + " packed bytes" + memory_left());
  }
  fill(created->memory.data());
  slot = created;
  return created;
}

std::string nearest(const std::string& name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= name.size(); i++) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); j++) {
        const size_t substitution = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace flashbook
