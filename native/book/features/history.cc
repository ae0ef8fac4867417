#include "moment.h"

namespace flashbook::features {

History::History(int levels, int64_t longest_window) : stride_(kFlowTotals + static_cast<size_t>(levels)) {
  int64_t capacity = 1;
  while (capacity < longest_window + 1) capacity *= 2;
  mask_ = capacity - 1;
  ring_.assign(static_cast<size_t>(capacity) * stride_, 0);
}

int64_t* History::append(int64_t time_ns, int64_t mid2, int64_t ask2, int64_t bid2) {
  if (rows_ == 0) {
    for (int64_t i = 0; i <= mask_; i++) {
      int64_t* row = ring_.data() + static_cast<size_t>(i) * stride_;
      for (size_t m = 0; m < stride_; m++) row[m] = 0;
      row[kTime] = time_ns;
      row[kMid2] = mid2;
      row[kMid2Total] = (i - mask_) * mid2;  // slot `mask_` is row −1, the slot before it row −2 …
      row[kAskTotal] = (i - mask_) * ask2;
      row[kBidTotal] = (i - mask_) * bid2;
    }
  }
  rows_++;
  int64_t* row = const_cast<int64_t*>(back(0));
  row[kTime] = time_ns;
  row[kMid2] = mid2;
  return row;
}

}  // namespace flashbook::features
