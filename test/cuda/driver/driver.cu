// Runs kernels through their launchers from a script, so that tests reach every precision and every shape without an engine:
//
//   load NAME PATH | alloc NAME BYTES | save NAME PATH | drop NAME | gemm key=value … | …
//
// Buffers have exactly the size that they need: whatever reads or writes beyond is an error of the checked run.
#include "driver.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <vector>

namespace flashbook::cuda::tests {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

Line::Line(const std::string& text, std::map<std::string, std::pair<void*, size_t>>& buffers) : buffers_(buffers) {
  std::istringstream words(text);
  words >> command_;
  int position = 0;
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      arguments_[std::to_string(position++)] = word;
    } else {
      arguments_[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
}

std::string Line::text(const char* key) const {
  const auto found = arguments_.find(key);
  if (found == arguments_.end()) throw std::runtime_error(command_ + " without " + key);
  return found->second;
}
std::string Line::text(const char* key, const char* fallback) const {
  const auto found = arguments_.find(key);
  return found == arguments_.end() ? fallback : found->second;
}
int64_t Line::integer(const char* key) const { return std::stoll(text(key)); }
int64_t Line::integer(const char* key, int64_t fallback) const {
  return arguments_.count(key) == 0 ? fallback : integer(key);
}
double Line::number(const char* key, double fallback) const {
  return arguments_.count(key) == 0 ? fallback : std::stod(text(key));
}
void* Line::pointer(const char* key) const {
  const auto found = arguments_.find(key);
  return found == arguments_.end() ? nullptr : buffers_.at(found->second).first;
}
void* Line::temporary(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  check(cudaMalloc(&memory, bytes), "cudaMalloc");
  temporaries_[memory] = bytes;
  return memory;
}
void Line::finish() {
  check(cudaDeviceSynchronize(), command_.c_str());
  for (const auto& [memory, bytes] : temporaries_) check(cudaFree(memory), "cudaFree");
  temporaries_.clear();
}

Activation activation_of(const std::string& name) {
  return name == "relu" ? Activation::relu : name == "gelu" ? Activation::gelu : Activation::none;
}

namespace {

std::map<std::string, void (*)(Line&)>& commands() {
  static std::map<std::string, void (*)(Line&)> all;
  return all;
}

void run_script(std::istream& script) {
  std::map<std::string, std::pair<void*, size_t>> buffers;
  const auto allocate = [&](const std::string& name, size_t bytes) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "cudaMalloc");
    buffers[name] = {memory, bytes};
    return memory;
  };
  for (std::string text; std::getline(script, text);) {
    if (text.empty()) continue;
    Line line(text, buffers);
    const std::string& command = line.command();
    if (command == "load") {
      std::ifstream file(line.text("1"), std::ios::binary);
      if (!file) throw std::runtime_error("cannot open " + line.text("1"));
      const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      void* memory = allocate(line.text("0"), bytes.size());
      check(cudaMemcpy(memory, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
    } else if (command == "alloc") {
      allocate(line.text("0"), static_cast<size_t>(line.integer("1")));
    } else if (command == "save") {
      const auto [memory, size] = buffers.at(line.text("0"));
      std::vector<char> bytes(size);
      check(cudaMemcpy(bytes.data(), memory, size, cudaMemcpyDeviceToHost), "cudaMemcpy");
      std::ofstream(line.text("1"), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(size));
    } else if (commands().count(command) != 0) {
      commands().at(command)(line);
    } else {
      throw std::runtime_error("no command " + command);
    }
    line.finish();
  }
  for (const auto& [name, buffer] : buffers) check(cudaFree(buffer.first), "cudaFree");
}

}  // namespace

Command::Command(const char* name, void (*run)(Line&)) { commands()[name] = run; }

}  // namespace flashbook::cuda::tests

int main(int count, char** arguments) {
  try {
    if (count != 2) throw std::runtime_error("usage: driver script");
    std::ifstream script(arguments[1]);
    flashbook::cuda::tests::run_script(script);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
