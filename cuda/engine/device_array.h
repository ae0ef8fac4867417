// A table that a step makes when it is bound and its kernels read: on the device, for the life of the step.
#pragma once

#include <type_traits>
#include <vector>

#include "engine/memory.h"
#include "engine/step.h"

namespace flashbook::cuda {

template <class T> class DeviceArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // Throws BindError when the device has no such amount.
  explicit DeviceArray(const std::vector<T>& values) : memory_(values.size() * sizeof(T)) {
    if (memory_.data() == nullptr) {
      throw BindError("no memory for a table of " + std::to_string(values.size() * sizeof(T)) + " bytes" + memory_left());
    }
    copy_in(memory_.data(), values.data(), values.size() * sizeof(T));
  }
  const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }

 private:
  AlignedMemory memory_;
};

}  // namespace flashbook::cuda
