// runPeak(): the machine's own limits, for benchmarks. JavaScript holds the clock.
#include <napi.h>

#include <cstdint>

#include "addon/addon_data.h"
#include "addon/typed_array.h"
#include "kernels/peak/peak.h"
#include "runtime/cpu_features.h"
#include "runtime/process_pool.h"

namespace flashbook {
namespace {

constexpr double kMaxRounds = 1e12;

Isa isa_of(const Napi::CallbackInfo& call, const Napi::Value& name) {
  std::string ignored;
  if (name.IsUndefined()) return default_isa(&ignored);
  Isa isa;
  if (!name.IsString() || !parse_isa(name.As<Napi::String>().Utf8Value(), &isa) || !isa_available(isa)) {
    throw coded_error(call.Env(), "NATIVE", "expected an instruction set that this machine has for isa");
  }
  return isa;
}

// The part of each thread begins at a cache line and is a whole number of them.
struct Memory {
  float* data = nullptr;
  int64_t part = 0;
};

Memory memory_of(const Napi::CallbackInfo& call, const Napi::Value& value, int64_t parts) {
  ArrayView view;
  if (!view_of(call.Env(), value, &view) || view.type != napi_float32_array) {
    throw coded_error(call.Env(), "SHAPE", "expected a Float32Array for memory");
  }
  const uintptr_t address = reinterpret_cast<uintptr_t>(view.data), line = (address + 63) & ~uintptr_t{63};
  const int64_t usable = static_cast<int64_t>(view.elements) - static_cast<int64_t>((line - address) / sizeof(float));
  return {reinterpret_cast<float*>(line), usable > 0 ? usable / parts / 512 * 512 : 0};
}

// (kind, isa | undefined, threads, rounds, memory | undefined): operations or bytes of all threads together; 0 for a precision that the
// set has no instruction for. Sweeps over memory give each thread a part of its own, which it goes through `rounds` times.
Napi::Value run_peak(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  if (!call[0].IsString()) throw coded_error(env, "OPTION", "expected a string for the kind of peak");
  const std::string kind = call[0].As<Napi::String>().Utf8Value();
  const PeakKernels& kernels = peak_table(isa_of(call, call[1]));
  const double wanted_threads = call[2].IsNumber() ? call[2].As<Napi::Number>().DoubleValue() : 0;
  const double wanted_rounds = call[3].IsNumber() ? call[3].As<Napi::Number>().DoubleValue() : 0;
  if (!(wanted_threads >= 1 && wanted_threads <= 256)) {
    throw coded_error(env, "OPTION", "expected an integer between 1 and 256 for threads");
  }
  if (!(wanted_rounds >= 1 && wanted_rounds <= kMaxRounds)) {
    throw coded_error(env, "OPTION", "expected an integer between 1 and 1e12 for rounds");
  }
  const int64_t threads = static_cast<int64_t>(wanted_threads), rounds = static_cast<int64_t>(wanted_rounds);

  double (*loop)(int64_t) = nullptr;
  if (kind == "f32") loop = kernels.f32;
  else if (kind == "bf16") loop = kernels.bf16;
  else if (kind == "int8") loop = kernels.int8;
  else if (kind != "read" && kind != "triad") {
    throw coded_error(env, "OPTION", "expected 'f32', 'bf16', 'int8', 'read' or 'triad' for the kind of peak but received '" + kind + "'");
  }
  double amount = 0;
  if (kind == "read" || kind == "triad") {
    const bool sum = kind == "read";
    const Memory memory = memory_of(call, call[4], sum ? threads : 3 * threads);
    volatile float sink = 0;
    process_pool().parallel(threads, [&](int64_t thread) {
      float* const a = memory.data + (sum ? 1 : 3) * thread * memory.part;
      for (int64_t r = 0; r < rounds; r++) {
        if (sum) {
          sink = kernels.read(a, memory.part);
        } else {
          kernels.triad(a, a + memory.part, a + 2 * memory.part, memory.part);
        }
      }
    });
    amount = 4.0 * static_cast<double>((sum ? 1 : 3) * memory.part * threads * rounds);
  } else if (loop != nullptr) {
    const double one = loop(1);
    process_pool().parallel(threads, [&](int64_t) { loop(rounds); });
    amount = one * static_cast<double>(rounds * threads);
  }
  return Napi::Number::New(env, amount);
}

}  // namespace

void register_peak(Napi::Env env, Napi::Object exports) {
  exports.Set("runPeak", Napi::Function::New(env, run_peak, "runPeak"));
}

}  // namespace flashbook
