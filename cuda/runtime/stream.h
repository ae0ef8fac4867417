// The one stream of this process, and what every call of the CUDA runtime is held to.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <mutex>
#include <string>

namespace flashbook::cuda {

// Throws DeviceError «cudaMalloc failed: out of memory (2)» unless `status` is success. `what` names the call or the step.
void check(cudaError_t status, const std::string& what);

// All work of this process goes into one stream, in order. Made at the first call. Throws DeviceError.
cudaStream_t stream();

// Held while anything is put into the stream by a thread: a capture must not catch another thread's work.
std::mutex& stream_guard();

// Waits until the stream is empty. Throws DeviceError with `what` when the work failed.
void wait(const char* what);

// Copies through pinned memory. copy_to_device returns as soon as the source may change; copy_from_device waits.
void copy_to_device(void* device, const void* host, size_t bytes);
void copy_from_device(void* host, const void* device, size_t bytes);

// Multiprocessors of the device, for grids that fill it.
int multiprocessors();

}  // namespace flashbook::cuda
