#include "cuda/runtime/devices.h"

#include <cuda_runtime_api.h>

namespace flashbook::cuda {

Found find_devices() {
  Found found;
  cudaDriverGetVersion(&found.driver_version);
  cudaRuntimeGetVersion(&found.runtime_version);
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    found.error = cudaGetErrorString(status);
    cudaGetLastError();
    return found;
  }
  for (int i = 0; i < count; i++) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) {
      cudaGetLastError();
      continue;
    }
    found.devices.push_back({properties.name, properties.major * 10 + properties.minor,
                             static_cast<int64_t>(properties.totalGlobalMem), properties.multiProcessorCount});
  }
  return found;
}

}  // namespace flashbook::cuda
