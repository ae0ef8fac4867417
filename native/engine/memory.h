// Zeroed memory at 64-byte boundaries: arenas, state, workspace, packed weights. Large blocks come from the operating
// system untouched, so an arena costs nothing until it is used, and in huge pages where it has them: a matrix product that walks
// through many rows at once is 3 % faster.
//
// A backend with memory of its own links another file in place of memory.cc.
//
// Kernels built with instruction-set flags cannot be compiled with a sanitizer in reasonable time. With
// FLASHBOOK_GUARD_PAGES=1 in the environment every block ends (rounded up to 64 bytes) at a page that must not be touched,
// and begins behind another one when it fills its pages: a kernel that reads or writes past the end stops the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

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

// Copy between the caller's memory and that of the plans; what the caller's holds may change as soon as they return.
void copy_in(void* to, const void* from, size_t bytes);
void copy_out(void* to, const void* from, size_t bytes);

// What an error about missing memory may add: how much the device has left. Empty for that of the system.
std::string memory_left();

}  // namespace flashbook
