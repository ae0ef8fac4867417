// Thin vector types: one kernel source, compiled once for each instruction set.
//
// The build defines FB_ISA_scalar, FB_ISA_avx2 (with FMA), FB_ISA_avx512 (F, BW, DQ, VL), FB_ISA_avx512vnni, FB_ISA_avx512bf16 (with
// VNNI) or FB_ISA_amx (with all of these). A kernel file writes its code in namespace flashbook::FB_ISA over VecF (float32 lanes),
// VecI (int32 lanes) and Mask.
// Everything lives in an unnamed namespace: no weak symbol may leave a file that is built with instruction-set flags,
// else the linker could pick a copy that the machine cannot run.
//
//   VecF::width                               lanes: 1, 8 or 16
//   set1 zero load store                      unaligned, as fast as aligned on an aligned address
//   first(n)                                  mask of lanes 0 … n−1, for tails; n in 0 … width
//   maskload(p, m) maskstore(p, x, m)         lanes outside m read as 0, and are neither read nor written in memory
//   + − * / fma(a,b,c)=a·b+c fnma=c−a·b sqrt  IEEE, one rounding each; + and * never contract (-ffp-contract=off)
//   min max                                   a<b ? a : b and a>b ? a : b; a NaN in either operand gives the SECOND one,
//                                             so max(floor, x) keeps a NaN of x, max(x, floor) replaces it
//   lt le gt ge eq                            ordered: false where an operand is NaN; is_nan(x)
//   select(m, a, b)                           m ? a : b per lane; & | on masks, not_(m), any(m), all(m)
//   reduce_add reduce_max reduce_min          fixed tree: lane i with i+width/2, then width/4 … 1. reduce_max and reduce_min
//                                             drop NaN lanes by the rule above: test is_nan apart where NaN must survive
//   round_nearest(x) → VecF, to_int(x) → VecI round half to even; to_float(VecI)
//   as_int as_float                           the same bits
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(FB_ISA_amx) || defined(FB_ISA_avx512bf16) || defined(FB_ISA_avx512vnni) || defined(FB_ISA_avx512)
#define FB_SIMD_512 1
#elif defined(FB_ISA_avx2)
#define FB_SIMD_256 1
#elif !defined(FB_ISA_scalar)
#define FB_ISA_scalar 1
#endif

#ifndef FB_ISA
#if defined(FB_ISA_amx)
#define FB_ISA amx
#elif defined(FB_ISA_avx512bf16)
#define FB_ISA avx512bf16
#elif defined(FB_ISA_avx512vnni)
#define FB_ISA avx512vnni
#elif defined(FB_ISA_avx512)
#define FB_ISA avx512
#elif defined(FB_ISA_avx2)
#define FB_ISA avx2
#else
#define FB_ISA scalar
#endif
#endif

#define FB_INLINE inline __attribute__((always_inline))

#if defined(FB_SIMD_512)
#include "vec_avx512.h"
#elif defined(FB_SIMD_256)
#include "vec_avx2.h"
#else
#include "vec_scalar.h"
#endif
#include "vec_math.h"
