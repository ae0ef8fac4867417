// The commands of the kernel driver: what a line of its script may call.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

#include "cuda/gemm/gemm.h"

namespace flashbook::cuda::tests {

void check(cudaError_t error, const char* what);

// One line of the script: a command, `key=value` arguments, and the device buffers by name.
class Line {
 public:
  Line(const std::string& text, std::map<std::string, std::pair<void*, size_t>>& buffers);
  const std::string& command() const { return command_; }
  std::string text(const char* key) const;
  std::string text(const char* key, const char* fallback) const;
  int64_t integer(const char* key) const;
  int64_t integer(const char* key, int64_t fallback) const;
  double number(const char* key, double fallback) const;
  // The device buffer that the argument names; null where the argument is absent.
  template <class T> T* buffer(const char* key) const { return static_cast<T*>(pointer(key)); }
  // Memory of exactly that size, freed at the end of the line; null for 0.
  void* temporary(size_t bytes);
  void finish();

 private:
  void* pointer(const char* key) const;

  std::string command_;
  std::map<std::string, std::string> arguments_;
  std::map<std::string, std::pair<void*, size_t>>& buffers_;
  std::map<void*, size_t> temporaries_;
};

Activation activation_of(const std::string& name);

// Makes `run` a command of the scripts, before main().
struct Command {
  Command(const char* name, void (*run)(Line&));
};

}  // namespace flashbook::cuda::tests
