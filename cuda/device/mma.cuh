// Tensor-core products of one warp, and the loads that feed them.
//
// Seen in bytes, the operands of all types have one layout (PTX ISA, "Matrix Fragments for mma.m16n8k8, k16, k32"): A is 16 rows
// of 32 bytes, B 8 columns of 32 bytes; lane l holds of A the words l%4 and l%4+4 of the rows l/4 and l/4+8, of B the same words of
// column l/4; of the result the columns 2·(l%4) and 2·(l%4)+1 of the rows l/4 and l/4+8. So ldmatrix serves every type, and one
// main loop too.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace flashbook::cuda {

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Four 8 × 16-byte matrices; lane l names row l%8 of matrix l/8.
__device__ __forceinline__ void load_matrices(uint32_t (&to)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address) : "memory");
}

// The same, each matrix of 8 × 8 two-byte elements transposed.
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&to)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address) : "memory");
}

// 16 bytes from global to shared memory without passing through registers; zeros where `valid` is false.
__device__ __forceinline__ void copy_async_16(uint32_t to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(to), "l"(from), "r"(valid ? 16 : 0) : "memory");
}

__device__ __forceinline__ void copy_async_4(uint32_t to, const void* from, bool valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" :: "r"(to), "l"(from), "r"(valid ? 4 : 0) : "memory");
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `kPending` of this thread's committed groups are still under way.
template <int kPending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" :: "n"(kPending) : "memory");
}

// Two neighbouring words at a multiple of 8 bytes. Written out, for the compiler takes some of these stores apart.
__device__ __forceinline__ void store_shared_pair(uint32_t address, float first, float second) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};" :: "r"(address), "f"(first), "f"(second) : "memory");
}
__device__ __forceinline__ void store_shared_pair(uint32_t address, int32_t first, int32_t second) {
  asm volatile("st.shared.v2.b32 [%0], {%1, %2};" :: "r"(address), "r"(first), "r"(second) : "memory");
}

// 16-byte chunk c of row r in a tile whose rows are kRowBytes long goes to another place in the row, so that eight rows of one chunk
// (what ldmatrix reads) and eight chunks of one row (what cp.async writes) both lie in different banks.
template <int kRowBytes>
__device__ __forceinline__ uint32_t swizzled(int row, int chunk) {
  constexpr int kChunks = kRowBytes / 16;
  static_assert(kChunks >= 2 && (kChunks & (kChunks - 1)) == 0, "rows of 32, 64, 128 … bytes");
  if constexpr (kChunks >= 8) {
    return row * kRowBytes + ((chunk ^ (row & 7)) << 4);
  } else {
    return row * kRowBytes + ((chunk ^ ((row / (8 / kChunks)) & (kChunks - 1))) << 4);
  }
}

struct Bf16 {
  using Accumulator = float;
  static constexpr int kBytes = 2;

  static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  // Two values, rounded to nearest even, the first in the low half.
  static __device__ __forceinline__ uint32_t pair(float low, float high) {
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
  }
  static __device__ __forceinline__ float low(uint32_t word) { return __uint_as_float(word << 16); }
  static __device__ __forceinline__ float high(uint32_t word) { return __uint_as_float(word & 0xffff0000u); }
  // Bits 15 and 31 say whether the values are NaN or infinite: an exponent of ones carries over.
  static __device__ __forceinline__ uint32_t specials(uint32_t word) { return (word & 0x7f807f80u) + 0x00800080u; }
};

struct F16 {
  using Accumulator = float;
  static constexpr int kBytes = 2;

  static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  static __device__ __forceinline__ uint32_t pair(float low, float high) {
    uint32_t word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
  }
  static __device__ __forceinline__ float low(uint32_t word) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(word)));
  }
  static __device__ __forceinline__ float high(uint32_t word) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(word >> 16)));
  }
  static __device__ __forceinline__ uint32_t specials(uint32_t word) { return (word & 0x7c007c00u) + 0x04000400u; }
};

struct Tf32 {
  using Accumulator = float;
  static constexpr int kBytes = 4;

  static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  // Rounded to nearest, ties away: 10 bits of mantissa.
  static __device__ __forceinline__ uint32_t round(float x) {
    uint32_t word;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
    return word;
  }
};

struct Int8 {
  using Accumulator = int32_t;
  static constexpr int kBytes = 1;

  static __device__ __forceinline__ void mma(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
};

}  // namespace flashbook::cuda
