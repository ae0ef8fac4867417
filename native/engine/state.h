// Named buffers that outlive runs, shared by the plans of one model.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "engine/memory.h"
#include "engine/plan_spec.h"

namespace flashbook {

// Weights in the layout that a kernel likes, shared by all frozen plans of a State and freed with the last of them.
struct Packing {
  AlignedMemory memory;
};

class State {
 public:
  struct Buffer {
    StateSpec spec;
    AlignedMemory memory;
    int64_t bytes = 0;
    // Plans that packed or may have packed this buffer, and plans that write it: never both.
    int frozen_readers = 0;
    int writers = 0;
    int plain_readers = 0;   // plans that read the buffer itself, not only a packing of it
    bool released = false;   // the memory is gone
  };

  explicit State(std::vector<StateSpec> specs);

  const std::vector<Buffer>& buffers() const { return buffers_; }
  Buffer* find(const std::string& name);
  std::string nearest_name(const std::string& name) const;
  int64_t bytes() const { return bytes_; }

  // Copies into and out of a buffer; `bytes` must be the buffer's. Throws BindError while a frozen plan relies on it, and where it was
  // released.
  void set(Buffer& buffer, const void* data);
  void get(const Buffer& buffer, void* data);

  // Frees the buffers of which living plans read nothing but packings. They cannot be set, read or used by new plans any more. Returns
  // the bytes that are free now.
  int64_t release_packed();

  std::shared_ptr<Packing> packed(const Operand& operand, const std::string& layout, size_t bytes,
                                  const std::function<void(void*)>& fill);

  // Held shared by runs that only read the state, alone by those that write it.
  std::shared_mutex& guard() { return guard_; }

 private:
  std::vector<Buffer> buffers_;
  std::map<std::string, size_t> index_;
  std::map<std::pair<const void*, std::string>, std::weak_ptr<Packing>> packings_;
  std::shared_mutex guard_;
  int64_t bytes_ = 0;
};

// Throws BindError where the buffer was released.
void expect_held(const State::Buffer& buffer);

// The candidate nearest to `name` by edit distance; empty when none is near.
std::string nearest(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace flashbook
