// Zeroed memory at 64-byte boundaries: arenas, state, workspace, packed weights. Large blocks come from the operating
// system untouched, so an arena costs nothing until it is used.
//
// Kernels built with instruction-set flags cannot be compiled with a sanitizer in reasonable time. With
// FLASHBOOK_GUARD_PAGES=1 in the environment every block ends (rounded up to 64 bytes) at a page that must not be touched,
// and begins behind another one when it fills its pages: a kernel that reads or writes past the end stops the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace flashbook {

class AlignedMemory {
 public:
  AlignedMemory() = default;

  // Empty (data() is null) when the system has no such amount.
  explicit AlignedMemory(size_t bytes);

  std::byte* data() const { return block_.get(); }
  size_t bytes() const { return block_ ? bytes_ : 0; }

 private:
  struct Release {
    void* base;
    size_t mapped;  // 0: from calloc
    void operator()(std::byte*) const;
  };
  std::unique_ptr<std::byte, Release> block_;
  size_t bytes_ = 0;
};

}  // namespace flashbook
