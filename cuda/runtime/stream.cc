#include "cuda/runtime/stream.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "engine/step.h"

namespace flashbook::cuda {
namespace {

// Two blocks of pinned memory, so that one is filled while the other is being copied.
constexpr size_t kStagingBytes = size_t{4} << 20;
constexpr int kBlocks = 2;

struct Staging {
  void* block[kBlocks] = {};
  cudaEvent_t free[kBlocks] = {};   // recorded behind the copy that uses the block
  int next = 0;

  void prepare() {
    if (free[kBlocks - 1] != nullptr) return;
    for (int i = 0; i < kBlocks; i++) {
      if (block[i] == nullptr) check(cudaHostAlloc(&block[i], kStagingBytes, cudaHostAllocDefault), "pinned memory for copies");
      if (free[i] == nullptr) check(cudaEventCreateWithFlags(&free[i], cudaEventDisableTiming), "an event for copies");
    }
  }
};

// Lives as long as the process: at its end the driver may be gone before any destructor here runs.
Staging& staging() {
  static Staging* const instance = new Staging;
  return *instance;
}

}  // namespace

void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();   // an error that is not sticky is over once it has been told
  throw DeviceError(what + " failed: " + cudaGetErrorString(status) + " (CUDA error " + std::to_string(static_cast<int>(status)) + ")");
}

cudaStream_t stream() {
  static const cudaStream_t instance = [] {
    cudaStream_t created = nullptr;
    check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return created;
  }();
  return instance;
}

std::mutex& stream_guard() {
  static std::mutex* const guard = new std::mutex;
  return *guard;
}

void wait(const char* what) { check(cudaStreamSynchronize(stream()), what); }

void copy_to_device(void* device, const void* host, size_t bytes) {
  Staging& s = staging();
  std::lock_guard<std::mutex> lock(stream_guard());
  s.prepare();
  for (size_t done = 0; done < bytes;) {
    const size_t part = std::min(kStagingBytes, bytes - done);
    const int i = s.next;
    s.next = (i + 1) % kBlocks;
    check(cudaEventSynchronize(s.free[i]), "waiting for an earlier copy to the device");
    std::memcpy(s.block[i], static_cast<const std::byte*>(host) + done, part);
    check(cudaMemcpyAsync(static_cast<std::byte*>(device) + done, s.block[i], part, cudaMemcpyHostToDevice, stream()),
          "a copy of " + std::to_string(part) + " bytes to the device");
    check(cudaEventRecord(s.free[i], stream()), "cudaEventRecord");
    done += part;
  }
}

void copy_from_device(void* host, const void* device, size_t bytes) {
  Staging& s = staging();
  std::lock_guard<std::mutex> lock(stream_guard());
  s.prepare();
  for (size_t done = 0; done < bytes;) {
    const size_t part = std::min(kStagingBytes, bytes - done);
    const int i = s.next;
    s.next = (i + 1) % kBlocks;
    check(cudaEventSynchronize(s.free[i]), "waiting for an earlier copy");
    check(cudaMemcpyAsync(s.block[i], static_cast<const std::byte*>(device) + done, part, cudaMemcpyDeviceToHost, stream()),
          "a copy of " + std::to_string(part) + " bytes from the device");
    check(cudaStreamSynchronize(stream()), "a copy of " + std::to_string(part) + " bytes from the device");
    std::memcpy(static_cast<std::byte*>(host) + done, s.block[i], part);
    done += part;
  }
}

int multiprocessors() {
  static const int count = [] {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
    return value;
  }();
  return count;
}

}  // namespace flashbook::cuda
