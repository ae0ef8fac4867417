// What this machine can do at most: independent chains of one instruction on registers alone, and plain sweeps over memory.
// Benchmarks state other kernels as a share of these.
//
// A loop of arithmetic makes `rounds` rounds and returns the operations of all of them (a multiply-add counts two). Where a
// set has no instruction of its own for a precision it has none here either: its loop is absent.
#pragma once

#include <cstdint>

#include "engine/step.h"

namespace flashbook {

struct PeakKernels {
  double (*f32)(int64_t rounds);                                       // fused multiply-adds
  double (*bf16)(int64_t rounds);                                      // bfloat16 products, float32 sums; may be absent
  double (*int8)(int64_t rounds);                                      // int8 products, exact int32 sums
  float (*read)(const float* x, int64_t n);                            // the sum, so that every element is read
  void (*triad)(float* a, const float* b, const float* c, int64_t n);  // a = b + 0.5 · c (McCalpin's STREAM)
};

const PeakKernels& peak_table(Isa isa);

}  // namespace flashbook
