// Zeroed memory at 64-byte boundaries. Large blocks come from the operating system untouched, so an arena costs nothing
// until it is used.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace flashbook {

class AlignedMemory {
 public:
  AlignedMemory() = default;

  // Empty (data() is null) when the system has no such amount.
  explicit AlignedMemory(size_t bytes) : bytes_(bytes) {
    if (bytes > SIZE_MAX - kAlignment) return;
    block_.reset(std::calloc(bytes + kAlignment, 1));
  }

  std::byte* data() const {
    if (!block_) return nullptr;
    const auto address = reinterpret_cast<uintptr_t>(block_.get());
    return reinterpret_cast<std::byte*>((address + kAlignment - 1) & ~(kAlignment - 1));
  }
  size_t bytes() const { return block_ ? bytes_ : 0; }

 private:
  static constexpr uintptr_t kAlignment = 64;
  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::unique_ptr<void, Free> block_;
  size_t bytes_ = 0;
};

}  // namespace flashbook
