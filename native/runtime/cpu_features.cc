#include "runtime/cpu_features.h"

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace flashbook {
namespace {

constexpr const char* kNames[] = {"scalar", "avx2", "avx512", "avx512vnni"};

#if defined(__x86_64__)

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  if (__get_cpuid_max(leaf & 0x80000000u, nullptr) >= leaf) __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
  return r;
}

// XCR0: which register files the operating system saves on a context switch.
uint64_t saved_registers() {
  if (!(cpuid(1).c & (1u << 27))) return 0;  // OSXSAVE
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool bit(uint32_t word, int index) { return (word >> index) & 1u; }

std::vector<Isa> detect() {
  std::vector<Isa> sets{Isa::scalar};
  const Registers one = cpuid(1), seven = cpuid(7);
  const uint64_t saved = saved_registers();
  const bool ymm = (saved & 0x6) == 0x6;             // SSE and AVX state
  const bool zmm = ymm && (saved & 0xe0) == 0xe0;    // opmask, upper halves, upper sixteen
  const bool avx2 = ymm && bit(one.c, 28) && bit(one.c, 12) && bit(seven.b, 5);  // AVX, FMA, AVX2
  const bool avx512 = avx2 && zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);
#if FLASHBOOK_BUILT_AVX2
  if (avx2) sets.push_back(Isa::avx2);
#endif
#if FLASHBOOK_BUILT_AVX512
  if (avx512) sets.push_back(Isa::avx512);
#endif
#if FLASHBOOK_BUILT_AVX512VNNI
  if (avx512 && bit(seven.c, 11)) sets.push_back(Isa::avx512vnni);
#endif
  return sets;
}

#else

std::vector<Isa> detect() { return {Isa::scalar}; }

#endif

}  // namespace

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

bool parse_isa(const std::string& name, Isa* isa) {
  for (int i = 0; i < 4; i++) {
    if (name == kNames[i]) {
      *isa = static_cast<Isa>(i);
      return true;
    }
  }
  return false;
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> sets = detect();
  return sets;
}

bool isa_available(Isa isa) {
  for (Isa a : available_isas()) {
    if (a == isa) return true;
  }
  return false;
}

Isa default_isa(std::string* problem) {
  const Isa best = available_isas().back();
  const char* wanted = std::getenv("FLASHBOOK_ISA");
  if (wanted == nullptr || *wanted == '\0') return best;
  Isa isa;
  if (!parse_isa(wanted, &isa)) {
    *problem = std::string("FLASHBOOK_ISA=") + wanted + " is not one of scalar, avx2, avx512, avx512vnni";
    return best;
  }
  if (!isa_available(isa)) {
    *problem = std::string("FLASHBOOK_ISA=") + wanted + ", but this machine's highest set is " + isa_name(best);
    return best;
  }
  return isa;
}

std::string cpu_name() {
#if defined(__x86_64__)
  char text[49] = {};
  for (uint32_t i = 0; i < 3; i++) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &r, 16);
  }
  std::string name(text);
  const size_t first = name.find_first_not_of(' ');
  const size_t last = name.find_last_not_of(' ');
  if (first != std::string::npos) return name.substr(first, last - first + 1);
  return "unknown x86-64 processor";
#else
  return "unknown processor";
#endif
}

}  // namespace flashbook
