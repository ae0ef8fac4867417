#include "engine/memory.h"

#include <cstdlib>
#include <cstring>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define FLASHBOOK_HAS_GUARD_PAGES 1
#endif

namespace flashbook {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLarge = kHugePage;   // a smaller block holds none

bool guarded() {
#if FLASHBOOK_HAS_GUARD_PAGES
  static const bool wanted = [] {
    const char* value = std::getenv("FLASHBOOK_GUARD_PAGES");
    return value != nullptr && value[0] == '1';
  }();
  return wanted;
#else
  return false;
#endif
}

}  // namespace

AlignedMemory::AlignedMemory(size_t bytes) : bytes_(bytes) {
  if (bytes > SIZE_MAX / 2) return;
  const size_t used = (bytes + kAlignment - 1) / kAlignment * kAlignment;
#if FLASHBOOK_HAS_GUARD_PAGES
  if (guarded()) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t pages = (used + page - 1) / page * page;
    const size_t mapped = pages + 2 * page;
    void* base = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return;
    std::byte* first = static_cast<std::byte*>(base) + page;
    if (pages > 0 && mprotect(first, pages, PROT_READ | PROT_WRITE) != 0) {
      munmap(base, mapped);
      return;
    }
    block_ = {first + pages - used, Release{base, mapped}};
    return;
  }
#endif
#if defined(MADV_HUGEPAGE)
  if (used >= kLarge) {
    const size_t mapped = used + kHugePage;
    void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return;
    const auto address = (reinterpret_cast<uintptr_t>(base) + kHugePage - 1) & ~(uintptr_t{kHugePage} - 1);
    block_ = {reinterpret_cast<std::byte*>(address), Release{base, mapped}};
    madvise(block_.get(), used / kHugePage * kHugePage, MADV_HUGEPAGE);   // a wish: where it is refused, pages stay small
    return;
  }
#endif
  void* base = std::calloc(used + kAlignment, 1);
  if (base == nullptr) return;
  const auto address = (reinterpret_cast<uintptr_t>(base) + kAlignment - 1) & ~(uintptr_t{kAlignment} - 1);
  block_ = {reinterpret_cast<std::byte*>(address), Release{base, 0}};
}

void AlignedMemory::Release::operator()(std::byte*) const {
#if FLASHBOOK_HAS_GUARD_PAGES
  if (mapped > 0) {
    munmap(base, mapped);
    return;
  }
#endif
  std::free(base);
}

void copy_in(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void copy_out(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
std::string memory_left() { return ""; }

}  // namespace flashbook
