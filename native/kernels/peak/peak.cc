// Peaks of AVX2 and AVX-512.
#include "kernels/peak/peak_loops.h"

namespace flashbook {
namespace FB_ISA {

const PeakKernels peak_kernels = {f32, nullptr, int8, read, triad};

}  // namespace FB_ISA
}  // namespace flashbook
