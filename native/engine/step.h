// The seam between the plan executor and the kernels.
//
// A plan step names a kernel. When a plan is created, the factory registered under that name checks every operand and
// attribute and returns a bound Step: plain pointers and sizes, nothing left to look up. Running a Step allocates
// nothing and, on the processor, never throws; on a device it enqueues, and throws a DeviceError when that fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace flashbook {

enum class DType : uint8_t { f32, i32, u32, i8, u8 };

// Instruction sets in rising order. A family without a kernel for a set uses the next lower one that it has.
enum class Isa : uint8_t { scalar, avx2, avx512, avx512vnni, avx512bf16, amx };

class ThreadPool;  // native/runtime/thread_pool.h

// A bound operand: dense, row-major. `data` stays valid and fixed for the life of the plan.
struct Operand {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  bool is_state = false;    // a state buffer (a parameter, a moment …), not the arena
  std::string name;

  bool present() const { return data != nullptr; }
  int64_t elements() const { int64_t n = 1; for (int64_t d : shape) n *= d; return n; }
  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }                 // the last dimension
  int64_t rows() const { return columns() == 0 ? 0 : elements() / columns(); }         // all leading dimensions
  template <class T> T* as() const { return static_cast<T*>(data); }
};

// Thrown while binding only; becomes a FlashbookError in JavaScript with the step's index and kernel name prepended.
struct BindError : std::runtime_error { using std::runtime_error::runtime_error; };

// Thrown by a run when the device fails; a run on the processor never does.
struct DeviceError : std::runtime_error { using std::runtime_error::runtime_error; };

// What a factory sees of its step and of the plan around it.
class BindContext {
 public:
  virtual ~BindContext() = default;
  virtual size_t input_count() const = 0;
  virtual size_t output_count() const = 0;
  virtual const Operand& input(size_t i) const = 0;    // throws BindError when there is no such operand
  virtual const Operand& output(size_t i) const = 0;
  virtual bool has_input(size_t i) const = 0;          // false for −1 and past the end
  virtual double number(const char* name) const = 0;   // throws BindError when the attribute is absent or of another type
  virtual double number(const char* name, double fallback) const = 0;
  virtual std::string text(const char* name, const char* fallback) const = 0;
  virtual bool flag(const char* name, bool fallback) const = 0;
  virtual std::vector<double> numbers(const char* name) const = 0;   // a list of numbers; empty when the attribute is absent
  virtual Isa isa() const = 0;
  virtual ThreadPool& pool() const = 0;
  // True in a plan whose state never changes (prediction): weights may be packed once, at bind time.
  virtual bool frozen() const = 0;
  // Memory shared by all frozen plans of one State: the packing of `operand` in layout `layout` (a name that includes
  // the tile sizes). `fill` runs once, for the first plan that asks. 64-byte aligned. Only for frozen plans. A step that has packed an
  // operand reads it in `fill` alone: the plain copy may be gone when it runs (State::release_packed).
  virtual void* packed(const Operand& operand, const std::string& layout, size_t bytes,
                       const std::function<void(void*)>& fill) = 0;
  // Asks for scratch memory, 64-byte aligned, shared by all steps of the plan (its content does not outlive a step).
  // The pointer is read in run(), through Workspace.
  virtual void workspace(size_t bytes) = 0;
};

// What a step gets at run time besides its bound operands.
struct RunContext {
  ThreadPool& pool;
  std::byte* workspace;   // at least as many bytes as this step asked for
};

// How a step can be cut: rows begin … end of its outputs need the same rows of some inputs, and of arena memory nothing else but
// whole inputs. Rows are those of all dimensions but the last; `unit` of them stay together.
struct RowCut {
  int64_t rows = 0;           // 0: not at all
  int64_t unit = 1;
  uint32_t inputs = 0;        // bit i: input i goes by rows
  size_t workspace = 0;       // bytes that run_rows() needs
};

class Step {
 public:
  virtual ~Step() = default;
  virtual void run(RunContext& context) = 0;
  virtual RowCut rows() const { return {}; }
  // The rows begin … end, with the same bits as in run(), on this thread alone; several threads may be in it with other rows.
  virtual void run_rows(RunContext&, int64_t begin, int64_t end) { (void)begin; (void)end; }
  // For the profiler and the roofline: useful work and compulsory traffic of one run.
  virtual double flops() const { return 0; }
  virtual double bytes() const { return 0; }
};

using StepFactory = std::unique_ptr<Step> (*)(BindContext&);

// The registry is an explicit list in native/engine/steps/registry.cc: one line a kernel name.
StepFactory find_step(const std::string& kernel);
std::vector<std::string> step_names();
// What is said of a kernel that find_step does not know, before a guess at what was meant.
const char* no_such_step();

}  // namespace flashbook
