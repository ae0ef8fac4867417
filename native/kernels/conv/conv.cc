// Vectorised sliding windows; conv.h has the definitions. Compiled once for each instruction set.
#include "kernels/conv/conv.h"

#include "simd/range.h"

namespace flashbook {
namespace FB_ISA {

extern const ConvKernels conv_kernels;

namespace {

// Where a window lies: walks from window to window without dividing.
struct Place {
  int64_t b, h, w;
  Place(const Window& s, int64_t row) : b(row / (s.out_width * s.out_height)), h(row / s.out_width % s.out_height), w(row % s.out_width) {}
  FB_INLINE void next(const Window& s) {
    if (++w < s.out_width) return;
    w = 0;
    if (++h == s.out_height) h = 0, ++b;
  }
};

// f(offset in the window's row, index in x or −1 when outside, how many values) for runs of values that lie side by side in both.
template <class F> FB_INLINE void for_runs(const Window& s, const Place& at, F f) {
  const int64_t w0 = at.w * s.stride_w - s.left;
  const int64_t width = s.kernel_w * s.channels;
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    const int64_t h = at.h * s.stride_h + i * s.dilation_h - s.top;
    const int64_t line = (at.b * s.height + h) * s.width;
    if (h < 0 || h >= s.height) {
      f(i * width, int64_t{-1}, width);
    } else if (s.dilation_w == 1) {
      const int64_t before = w0 < 0 ? (-w0 < s.kernel_w ? -w0 : s.kernel_w) : 0;
      const int64_t last = s.width - w0 < s.kernel_w ? s.width - w0 : s.kernel_w;
      const int64_t after = last > before ? last : before;   // taps before … after are inside
      if (before > 0) f(i * width, int64_t{-1}, before * s.channels);
      if (after > before) f(i * width + before * s.channels, (line + w0 + before) * s.channels, (after - before) * s.channels);
      if (after < s.kernel_w) f(i * width + after * s.channels, int64_t{-1}, (s.kernel_w - after) * s.channels);
    } else {
      for (int64_t j = 0; j < s.kernel_w; ++j) {
        const int64_t w = w0 + j * s.dilation_w;
        f(i * width + j * s.channels, w < 0 || w >= s.width ? int64_t{-1} : (line + w) * s.channels, s.channels);
      }
    }
  }
}

void unfold(const Window& s, const float* x, int64_t begin, int64_t end, float* rows) {
  Place at(s, begin);
  const int64_t patch = s.patch();
  for (int64_t row = begin; row < end; ++row, rows += patch, at.next(s)) {
    for_runs(s, at, [=](int64_t to, int64_t from, int64_t n) __attribute__((always_inline)) {
      if (from < 0) {
        for_vectors(n, [=](int64_t i, auto part) { store(rows + to + i, zero(), part); });
      } else {
        for_vectors(n, [=](int64_t i, auto part) { store(rows + to + i, load(x + from + i, part), part); });
      }
    });
  }
}

void fold(const Window& s, const float* rows, int64_t begin, int64_t end, float* dx) {
  Place at(s, begin);
  const int64_t patch = s.patch();
  for (int64_t row = begin; row < end; ++row, rows += patch, at.next(s)) {
    for_runs(s, at, [=](int64_t to, int64_t from, int64_t n) __attribute__((always_inline)) {
      if (from < 0) return;
      for_vectors(n, [=](int64_t i, auto part) {
        store(dx + from + i, load(dx + from + i, part) + load(rows + to + i, part), part);
      });
    });
  }
}

// f(tap, index in x) for the taps inside.
template <class F> FB_INLINE void for_taps(const Window& s, const Place& at, F f) {
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    const int64_t h = at.h * s.stride_h + i * s.dilation_h - s.top;
    if (h < 0 || h >= s.height) continue;
    for (int64_t j = 0; j < s.kernel_w; ++j) {
      const int64_t w = at.w * s.stride_w + j * s.dilation_w - s.left;
      if (w < 0 || w >= s.width) continue;
      f(static_cast<int32_t>(i * s.kernel_w + j), ((at.b * s.height + h) * s.width + w) * s.channels);
    }
  }
}

void max_pool(const Window& s, const float* x, int64_t begin, int64_t end, float* y) {
  Place at(s, begin);
  for (int64_t row = begin; row < end; ++row, y += s.channels, at.next(s)) {
    for_vectors(s.channels, [&](int64_t c, auto part) __attribute__((always_inline)) {
      VecF best = set1(-__builtin_inff());
      for_taps(s, at, [&](int32_t, int64_t from) __attribute__((always_inline)) {
        const VecF value = load(x + from + c, part);
        best = select(gt(value, best) | is_nan(value), value, best);
      });
      store(y + c, best, part);
    });
  }
}

void max_pool_grad(const Window& s, const float* dy, const float* x, int64_t begin, int64_t end, float* dx) {
  Place at(s, begin);
  for (int64_t row = begin; row < end; ++row, dy += s.channels, at.next(s)) {
    for_vectors(s.channels, [&](int64_t c, auto part) __attribute__((always_inline)) {
      VecF best = set1(-__builtin_inff());
      VecI place = set1i(-1);
      for_taps(s, at, [&](int32_t tap, int64_t from) __attribute__((always_inline)) {
        const VecF value = load(x + from + c, part);
        const Mask larger = gt(value, best) | (is_nan(value) & not_(is_nan(best))) | eq(place, set1i(-1));
        best = select(larger, value, best);
        place = select(larger, set1i(tap), place);
      });
      const VecF d = load(dy + c, part);
      for_taps(s, at, [&](int32_t tap, int64_t from) __attribute__((always_inline)) {
        float* to = dx + from + c;
        store(to, select(eq(place, set1i(tap)), load(to, part) + d, load(to, part)), part);
      });
    });
  }
}

}  // namespace

const ConvKernels conv_kernels = {unfold, fold, max_pool, max_pool_grad};

}  // namespace FB_ISA
}  // namespace flashbook
