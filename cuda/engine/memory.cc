// engine/memory.h on the device: arenas, state, workspace and packed weights are device memory, zeroed.
#include "engine/memory.h"

#include "cuda/runtime/stream.h"

namespace flashbook {

AlignedMemory::AlignedMemory(size_t bytes) : bytes_(bytes) {
  constexpr size_t kAlignment = 64;
  if (bytes > SIZE_MAX / 2) return;
  const size_t used = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* base = nullptr;
  if (cudaMalloc(&base, used == 0 ? kAlignment : used) != cudaSuccess) {   // its addresses are multiples of 256
    cudaGetLastError();
    return;
  }
  cuda::check(cudaMemsetAsync(base, 0, used == 0 ? kAlignment : used, cuda::stream()), "zeroing device memory");
  block_ = {static_cast<std::byte*>(base), Release{base, 0}};
}

// cudaFree waits for the work that uses the memory.
void AlignedMemory::Release::operator()(std::byte*) const { cudaFree(base); }

void copy_in(void* to, const void* from, size_t bytes) { cuda::copy_to_device(to, from, bytes); }
void copy_out(void* to, const void* from, size_t bytes) { cuda::copy_from_device(to, from, bytes); }

std::string memory_left() {
  size_t left = 0, total = 0;
  if (cudaMemGetInfo(&left, &total) != cudaSuccess) {
    cudaGetLastError();
    return "";
  }
  return " (the CUDA device has " + std::to_string(left >> 20) + " of " + std::to_string(total >> 20) + " MiB left)";
}

}  // namespace flashbook
