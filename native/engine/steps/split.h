// How steps share work among threads.
//
// Results never depend on the number of threads: a piece of work writes outputs of its own, and where a sum crosses pieces the
// pieces are cut by shape alone and combined in order. Waking threads costs microseconds, so work that is smaller than
// about twice that stays on the caller's thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "runtime/thread_pool.h"

namespace flashbook {

// body(begin, end) over [0, n) in pieces of a multiple of `unit`. `per_piece` is the least number of elements worth a task;
// choose it as about ten microseconds of work.
template <class F>
void split_range(ThreadPool& pool, int64_t n, int64_t unit, int64_t per_piece, F&& body) {
  const int64_t pieces_wanted = std::min<int64_t>(n / std::max<int64_t>(per_piece, 1), pool.threads() * 4);
  if (pool.threads() <= 1 || pieces_wanted <= 1) {
    if (n > 0) body(int64_t{0}, n);
    return;
  }
  const int64_t units = (n + unit - 1) / unit;
  const int64_t piece = (units + pieces_wanted - 1) / pieces_wanted * unit;
  const int64_t pieces = (n + piece - 1) / piece;
  auto task = [&](int64_t i) { body(i * piece, std::min(n, (i + 1) * piece)); };
  pool.parallel(pieces, task);
}

// body(slot, item) for every item in [0, items), on at most `slots` threads; no two threads share a slot at a time, so that
// a slot may own scratch memory. Items are handed out one by one.
template <class F>
void split_items(ThreadPool& pool, int64_t items, int slots, F&& body) {
  const int64_t workers = std::min<int64_t>({items, slots, pool.threads()});
  if (workers <= 1) {
    for (int64_t i = 0; i < items; ++i) body(int64_t{0}, i);
    return;
  }
  std::atomic<int64_t> next{0};
  auto task = [&](int64_t slot) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < items;) body(slot, i);
  };
  pool.parallel(workers, task);
}

}  // namespace flashbook
