#include "engine/row_chain.h"

#include <algorithm>

#include "runtime/cpu_features.h"
#include "runtime/thread_pool.h"

namespace flashbook {
namespace {

constexpr int64_t kMostParts = 64;          // ThreadPool::run_kept
constexpr int64_t kLeastRows = 8;           // of a part: fewer would fill no register tile
constexpr double kWorthSplitting = 1e6;     // operations of a chain that are worth a second thread

// Memory of the arena that a step reads or writes.
struct Access {
  const std::byte *begin, *end;
  int64_t row_bytes;   // 0: as a whole
  bool written;

  bool allows(const Access& other) const {
    if (!written && !other.written) return true;
    if (end <= other.begin || other.end <= begin) return true;
    return begin == other.begin && row_bytes > 0 && row_bytes == other.row_bytes;
  }
};

std::vector<Access> accesses_of(const StepSpec& spec, const RowCut& cut, const std::vector<Operand>& tensors,
                                const std::vector<int64_t>& bytes) {
  std::vector<Access> accesses;
  const auto add = [&](int64_t index, bool by_row, bool written) {
    if (index < 0) return;
    const Operand& operand = tensors[static_cast<size_t>(index)];
    if (operand.is_state) return;   // no frozen plan writes it
    const int64_t size = bytes[static_cast<size_t>(index)];
    const auto* const begin = static_cast<const std::byte*>(operand.data);
    accesses.push_back({begin, begin + size, by_row && cut.rows > 0 ? size / cut.rows : 0, written});
  };
  for (size_t i = 0; i < spec.inputs.size(); i++) add(spec.inputs[i], i < 32 && (cut.inputs >> i & 1) != 0, false);
  for (int64_t output : spec.outputs) add(output, true, true);
  return accesses;
}

int64_t most_parts(const RowCut& cut, int threads) {
  if (cut.rows == 0) return 1;
  return std::max<int64_t>(1, std::min<int64_t>({threads, kMostParts, cut.rows / cut.unit, cut.rows / kLeastRows}));
}

// How a step is cut for so many threads: not at all where some would get much more than others.
RowCut balanced(const RowCut& cut, int threads) {
  const int64_t parts = most_parts(cut, threads), units = cut.rows / cut.unit, largest = (units + parts - 1) / parts;
  return static_cast<double>(largest * parts) > 1.15 * static_cast<double>(units) ? RowCut{} : cut;
}

}  // namespace

void RowChain::run(RunContext& context) {
  if (parts_ == 0) {
    for (Step* step : steps_) step->run(context);
    return;
  }
  if (parts_ == 1) {
    run_part(context, 0, rows_);
    return;
  }
  const int64_t units = rows_ / unit_;
  context.pool.parallel_kept(parts_, [&](int64_t part) {
    RunContext own{context.pool, context.workspace + static_cast<size_t>(part) * workspace_};
    run_part(own, units * part / parts_ * unit_, units * (part + 1) / parts_ * unit_);
  });
}

void RowChain::run_part(RunContext& context, int64_t begin, int64_t end) {
  const int64_t units = (end - begin) / unit_, blocks = (end - begin + block_ - 1) / block_;
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t first = begin + units * block / blocks * unit_, last = begin + units * (block + 1) / blocks * unit_;
    for (Step* step : steps_) step->run_rows(context, first, last);
  }
}

namespace {

// Collects consecutive steps of one cut.
class Builder {
 public:
  explicit Builder(int threads) : threads_(threads) {}

  bool takes(const RowCut& cut, const std::vector<Access>& accesses) const {
    return cut.rows > 0 && cut.rows == cut_.rows && (cut.unit % cut_.unit == 0 || cut_.unit % cut.unit == 0) &&
           std::all_of(accesses.begin(), accesses.end(), [&](const Access& a) {
             return std::all_of(touched_.begin(), touched_.end(), [&](const Access& b) { return a.allows(b); });
           });
  }

  // shared_bytes: of what the step reads whatever the rows.
  void add(Step* step, const RowCut& cut, const std::vector<Access>& accesses, int64_t shared_bytes) {
    members_.push_back(step);
    touched_.insert(touched_.end(), accesses.begin(), accesses.end());
    cut_.rows = cut.rows;
    cut_.unit = std::max(cut_.unit, cut.unit);
    cut_.workspace = std::max(cut_.workspace, (cut.workspace + 63) / 64 * 64);
    flops_ += step->flops();
    shared_bytes_ += shared_bytes;
  }

  void close() {
    if (members_.empty()) return;
    const int64_t parts = flops_ < kWorthSplitting ? 1 : most_parts(cut_, threads_), block = block_rows(parts);
    const bool whole = parts == 1 && block >= cut_.rows;
    schedule_.steps.push_back(
        std::make_unique<RowChain>(std::move(members_), cut_.rows, cut_.unit, whole ? 0 : parts, block, cut_.workspace));
    if (!whole) schedule_.workspace = std::max(schedule_.workspace, static_cast<size_t>(parts) * cut_.workspace);
    members_.clear();
    touched_.clear();
    cut_ = {};
    flops_ = 0;
    shared_bytes_ = 0;
  }

  Schedule schedule() { return std::move(schedule_); }

 private:
  // Rows of a block: all of a part, or as many as fit the cache.
  int64_t block_rows(int64_t parts) const {
    const int64_t all = std::max<int64_t>(1, cut_.rows);
    if (members_.size() < 2 || (parts == 1 && threads_ > 1)) return all;
    std::vector<const std::byte*> places;
    int64_t row_bytes = 0;
    for (const Access& access : touched_) {
      if (std::find(places.begin(), places.end(), access.begin) != places.end()) continue;
      places.push_back(access.begin);
      row_bytes += access.row_bytes;
    }
    const int64_t fitting = l2_bytes() / 2 / std::max<int64_t>(1, row_bytes) / cut_.unit * cut_.unit;
    const int64_t block = std::max(cut_.unit, std::max<int64_t>(kLeastRows, fitting)), of_part = all / parts;
    const int64_t blocks = of_part / block;
    // Each block's rows are written and read in the cache instead of beyond it; the shared bytes come anew.
    return blocks < 2 || of_part * row_bytes < 2 * (blocks - 1) * shared_bytes_ ? all : block;
  }

  const int threads_;
  Schedule schedule_;
  std::vector<Step*> members_;
  std::vector<Access> touched_;
  RowCut cut_;
  double flops_ = 0;
  int64_t shared_bytes_ = 0;
};

}  // namespace

Schedule chain_rows(const std::vector<std::unique_ptr<Step>>& steps, const std::vector<StepSpec>& specs, const std::vector<Operand>& tensors,
                    const std::vector<int64_t>& bytes, int threads) {
  Builder builder(threads);
  for (size_t i = 0; i < steps.size(); i++) {
    const RowCut cut = balanced(steps[i]->rows(), threads);
    const std::vector<Access> accesses = accesses_of(specs[i], cut, tensors, bytes);
    if (!builder.takes(cut, accesses)) builder.close();
    int64_t shared = 0;
    for (const int64_t index : specs[i].inputs) {
      if (index >= 0 && tensors[static_cast<size_t>(index)].is_state) shared += bytes[static_cast<size_t>(index)];
    }
    builder.add(steps[i].get(), cut, accesses, shared);
  }
  builder.close();
  return builder.schedule();
}

Schedule cut_rows(const std::vector<std::unique_ptr<Step>>& steps, int threads) {
  Builder builder(threads);
  for (const auto& step : steps) {
    builder.add(step.get(), balanced(step->rows(), threads), {}, 0);
    builder.close();
  }
  return builder.schedule();
}

}  // namespace flashbook
