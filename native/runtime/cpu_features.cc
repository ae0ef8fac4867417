#include "runtime/cpu_features.h"

#include <cstdlib>
#include <cstring>
#include <iterator>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace flashbook {
namespace {

constexpr const char* kNames[] = {"scalar", "avx2", "avx512", "avx512vnni", "avx512bf16", "amx"};

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

// Linux hands out the 8 KiB of tile registers to processes that ask (arch/x86/xstate.rst of the kernel's documentation). The
// permission holds for all threads, those that run already too. It is refused where the kernel does not know the call, and where
// a thread's alternative signal stack has no room for the tiles.
bool tiles_permitted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;   // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;                // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

std::vector<Isa> detect() {
  std::vector<Isa> sets{Isa::scalar};
  const Registers one = cpuid(1), seven = cpuid(7), seven_one = seven.a >= 1 ? cpuid(7, 1) : Registers{};
  const uint64_t saved = saved_registers();
  const bool ymm = (saved & 0x6) == 0x6;             // SSE and AVX state
  const bool zmm = ymm && (saved & 0xe0) == 0xe0;    // opmask, upper halves, upper sixteen
  const bool avx2 = ymm && bit(one.c, 28) && bit(one.c, 12) && bit(seven.b, 5);  // AVX, FMA, AVX2
  const bool avx512 = avx2 && zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);
  const bool vnni = avx512 && bit(seven.c, 11);
  const bool bf16 = vnni && bit(seven_one.a, 5);
  const bool tiles = (saved & 0x60000) == 0x60000;   // tile configuration and tile data
  const bool amx = bf16 && tiles && bit(seven.d, 22) && bit(seven.d, 24) && bit(seven.d, 25);   // AMX-BF16, -TILE, -INT8
#if FLASHBOOK_BUILT_AVX2
  if (avx2) sets.push_back(Isa::avx2);
#endif
#if FLASHBOOK_BUILT_AVX512
  if (avx512) sets.push_back(Isa::avx512);
#endif
#if FLASHBOOK_BUILT_AVX512VNNI
  if (vnni) sets.push_back(Isa::avx512vnni);
#endif
#if FLASHBOOK_BUILT_AVX512BF16
  if (bf16) sets.push_back(Isa::avx512bf16);
#endif
#if FLASHBOOK_BUILT_AMX
  if (amx && tiles_permitted()) sets.push_back(Isa::amx);
#endif
  return sets;
}

#else

std::vector<Isa> detect() { return {Isa::scalar}; }

#endif

}  // namespace

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

bool parse_isa(const std::string& name, Isa* isa) {
  for (int i = 0; i < static_cast<int>(std::size(kNames)); i++) {
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
    *problem = std::string("FLASHBOOK_ISA=") + wanted + " is not one of scalar, avx2, avx512, avx512vnni, avx512bf16, amx";
    return best;
  }
  if (!isa_available(isa)) {
    *problem = std::string("FLASHBOOK_ISA=") + wanted + ", but this machine's highest set is " + isa_name(best);
    return best;
  }
  return isa;
}

int64_t l2_bytes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const long told = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (told > 0) return told;
#endif
  return int64_t{1} << 20;
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
