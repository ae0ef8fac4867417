// What the driver offers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flashbook::cuda {

struct DeviceInfo {
  std::string name;
  int capability = 0;          // compute capability times ten
  int64_t memory_bytes = 0;
  int multiprocessors = 0;
};

struct Found {
  int driver_version = 0;      // 13000 is CUDA 13.0; 0: no driver
  int runtime_version = 0;
  std::vector<DeviceInfo> devices;
  std::string error;           // what the runtime said when it gave no devices
};

// Never throws: an absent driver is an answer.
Found find_devices();

}  // namespace flashbook::cuda
