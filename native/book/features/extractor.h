// The state machine behind every feature: one event and the book after it in, one row of float32 columns out.
// Batches and streams run this same code.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "definitions.h"
#include "moment.h"

namespace flashbook::features {

struct Definition {
  std::string name;
  Parameters parameters;
};

class FeatureExtractor {
 public:
  // Throws std::invalid_argument naming the definition when a name, level or window cannot be.
  // `levels`: of every row that will come. `tick_size`: price units, at least 1.
  FeatureExtractor(const std::vector<Definition>& definitions, int levels, int64_t tick_size);
  FeatureExtractor(const FeatureExtractor&) = delete;
  FeatureExtractor& operator=(const FeatureExtractor&) = delete;

  int levels() const { return levels_; }
  int columns() const { return static_cast<int>(columns_); }

  // Writes columns() numbers, never NaN. Allocates nothing.
  void update(const MarketEvent& event, const BookRow& row, float* out);

  // Forgets everything: the next row is the first.
  void reset();

 private:
  struct Bound {
    void (*write)(const Moment&, const Parameters&, float*);
    Parameters parameters;
    float* out;
  };

  void observe_mid(int64_t time_ns, const BookRow& row);
  void observe_touch(Touch* touch, int64_t time_ns, bool there, int64_t price);
  void observe_trade(const MarketEvent& event);
  bool at_touch(const MarketEvent& event) const;
  void sum_depths(const BookRow& row);
  void remember(const MarketEvent& event, const BookRow& row);

  int levels_;
  int flow_levels_;                   // levels whose order flow is remembered
  size_t columns_ = 0;
  std::vector<Bound> bound_;
  std::vector<float> raw_;            // what the features write, then the row; padded to a multiple of 8
  std::vector<uint32_t> compressed_;  // a column: all ones where signed_log applies, else 0
  std::vector<int32_t> previous_;     // of the last row's first flow_levels_: ask prices, ask sizes, bid prices, bid sizes
  std::vector<int64_t> depths_;       // running sums of sizes: asks, then bids, levels + 1 each
  History history_;
  Moment now_;
};

}  // namespace flashbook::features
