// A window that slides over images with the channels last: what convolution and pooling share. float32.
//
//   window (b, h, w), tap (i, j) → the channels at (h·stride_h + i·dilation_h − top, w·stride_w + j·dilation_w − left) of image b.
//
//   unfold          a row a window: kernel_h·kernel_w·channels values, 0 outside the image (im2col). A convolution is that times wᵀ.
//   fold            the transpose: adds every row back where its window lay; dx is not cleared first.
//   max_pool        the largest of a window by channel, NaN larger than everything, −∞ where no tap is inside.
//   max_pool_grad   dy added to the first of the largest (the first NaN); dx is not cleared first.
//
// Windows are numbered through all images; a call takes windows begin … end. Calls of fold and max_pool_grad on windows of different
// images write different memory; within an image, windows are added in rising order: the same bits for any split by images.
//
// Fast path: taps that lie side by side (dilation_w 1) are moved as one run. The rows that unfold makes stay in L2 until the matrix
// product has read them, so that a convolution costs what its product costs, plus a copy (engine/steps/conv.cc).
#pragma once

#include <cstdint>

namespace flashbook {

enum class Isa : uint8_t;

struct Window {
  int64_t batch, height, width, channels;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, top, left;
  int64_t out_height, out_width;

  int64_t rows() const { return batch * out_height * out_width; }
  int64_t patch() const { return kernel_h * kernel_w * channels; }
};

struct ConvKernels {
  void (*unfold)(const Window& window, const float* x, int64_t begin, int64_t end, float* rows);
  void (*fold)(const Window& window, const float* rows, int64_t begin, int64_t end, float* dx);
  void (*max_pool)(const Window& window, const float* x, int64_t begin, int64_t end, float* y);
  void (*max_pool_grad)(const Window& window, const float* dy, const float* x, int64_t begin, int64_t end, float* dx);
};

const ConvKernels& conv_table(Isa isa);

}  // namespace flashbook
