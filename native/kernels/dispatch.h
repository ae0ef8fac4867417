// Which table of a kernel family serves an instruction set: the best one that was built and is not above it.
//
// <family>.cc defines `const <Type> <family>_kernels` in namespace flashbook::avx2 and flashbook::avx512; reference.cc
// defines `static const <Type> reference` and then writes FLASHBOOK_KERNEL_TABLE(<Type>, <family>), or
// FLASHBOOK_BF16_KERNEL_TABLE where <family>_bf16.cc (avx512bf16) and <family>_amx.cc define theirs too.
#pragma once

#include <cstdint>

#include "engine/step.h"

#if defined(FLASHBOOK_BUILT_AVX2)
#define FLASHBOOK_DECLARE_AVX2(Type, family) namespace avx2 { extern const Type family##_kernels; }
#define FLASHBOOK_CHOOSE_AVX2(family) if (isa >= Isa::avx2) return avx2::family##_kernels;
#else
#define FLASHBOOK_DECLARE_AVX2(Type, family)
#define FLASHBOOK_CHOOSE_AVX2(family)
#endif

#if defined(FLASHBOOK_BUILT_AVX512)
#define FLASHBOOK_DECLARE_AVX512(Type, family) namespace avx512 { extern const Type family##_kernels; }
#define FLASHBOOK_CHOOSE_AVX512(family) if (isa >= Isa::avx512) return avx512::family##_kernels;
#else
#define FLASHBOOK_DECLARE_AVX512(Type, family)
#define FLASHBOOK_CHOOSE_AVX512(family)
#endif

#if defined(FLASHBOOK_BUILT_AVX512BF16)
#define FLASHBOOK_DECLARE_AVX512BF16(Type, family) namespace avx512bf16 { extern const Type family##_kernels; }
#define FLASHBOOK_CHOOSE_AVX512BF16(family) if (isa >= Isa::avx512bf16) return avx512bf16::family##_kernels;
#else
#define FLASHBOOK_DECLARE_AVX512BF16(Type, family)
#define FLASHBOOK_CHOOSE_AVX512BF16(family)
#endif

#if defined(FLASHBOOK_BUILT_AMX)
#define FLASHBOOK_DECLARE_AMX(Type, family) namespace amx { extern const Type family##_kernels; }
#define FLASHBOOK_CHOOSE_AMX(family) if (isa >= Isa::amx) return amx::family##_kernels;
#else
#define FLASHBOOK_DECLARE_AMX(Type, family)
#define FLASHBOOK_CHOOSE_AMX(family)
#endif

#define FLASHBOOK_KERNEL_TABLE(Type, family)                                                       \
  FLASHBOOK_DECLARE_AVX2(Type, family)                                                             \
  FLASHBOOK_DECLARE_AVX512(Type, family)                                                           \
  const Type& family##_table(Isa isa) {                                                            \
    FLASHBOOK_CHOOSE_AVX512(family)                                                                \
    FLASHBOOK_CHOOSE_AVX2(family)                                                                  \
    (void)isa;                                                                                     \
    return reference;                                                                              \
  }

#define FLASHBOOK_BF16_KERNEL_TABLE(Type, family)                                                  \
  FLASHBOOK_DECLARE_AVX2(Type, family)                                                             \
  FLASHBOOK_DECLARE_AVX512(Type, family)                                                           \
  FLASHBOOK_DECLARE_AVX512BF16(Type, family)                                                       \
  FLASHBOOK_DECLARE_AMX(Type, family)                                                              \
  const Type& family##_table(Isa isa) {                                                            \
    FLASHBOOK_CHOOSE_AMX(family)                                                                   \
    FLASHBOOK_CHOOSE_AVX512BF16(family)                                                            \
    FLASHBOOK_CHOOSE_AVX512(family)                                                                \
    FLASHBOOK_CHOOSE_AVX2(family)                                                                  \
    (void)isa;                                                                                     \
    return reference;                                                                              \
  }
