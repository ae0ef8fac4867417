// The table of features: what each is called, which parameters it takes, how many columns it writes, and how.
// Formulas and sources: src/features/catalogue.ts, whose table must hold the same names.
#pragma once

#include <cstdint>
#include <string>

#include "moment.h"

namespace flashbook::features {

// Levels `from` … `to` (1 is the best) and a window of `events`; what a feature does not take is 0.
struct Parameters {
  int32_t from = 0;
  int32_t to = 0;
  int32_t events = 0;
};

struct FeatureKind {
  const char* name;
  bool takes_levels;
  bool takes_events;
  bool compressed;               // its columns go through signed_log before they are written
  int columns_per_level;         // 0: `columns` does not depend on the levels
  int columns;
  void (*write)(const Moment&, const Parameters&, float* out);

  int column_count(const Parameters& p) const { return columns_per_level * (p.to - p.from + 1) + columns; }
};

constexpr int32_t kLongestWindow = 65536;

// The kind of that name, or null.
const FeatureKind* find_feature(const std::string& name);
// All kinds, ended by one whose name is null.
const FeatureKind* feature_kinds();

}  // namespace flashbook::features
