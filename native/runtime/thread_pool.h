// One pool for the process. Sized from cgroup quota and CPU affinity (FLASHBOOK_THREADS overrides).
#pragma once

#include <cstdint>
#include <type_traits>

namespace flashbook {

class ThreadPool {
 public:
  virtual ~ThreadPool() = default;
  virtual int threads() const = 0;   // how many threads may work at once, the caller included

  // Runs body(context, task) for task = 0 … tasks−1 on up to threads() threads, the caller being one of them, and
  // returns when all are done. Tasks are handed out in order by an atomic counter; which thread runs a task must not
  // matter. Never called from inside a body. `body` must not throw or allocate.
  virtual void run(int64_t tasks, void (*body)(void* context, int64_t task), void* context) = 0;

  // The same, task i being kept for the same thread from call to call, so that what it reads again lies in that thread's cache. A thread
  // that comes late finds its task done by another. At most 64 tasks.
  virtual void run_kept(int64_t tasks, void (*body)(void* context, int64_t task), void* context) { run(tasks, body, context); }

  // Between these two the caller is about to run again and again, as a plan does: idle threads look for its next tasks instead of
  // sleeping, where every caller that holds the pool has a core of its own and some are left. Never nested.
  virtual void hold() {}
  virtual void release() {}

  // The same for any callable; splits nothing, copies nothing.
  template <class F> void parallel(int64_t tasks, F&& body) {
    run(tasks, [](void* c, int64_t t) { (*static_cast<std::remove_reference_t<F>*>(c))(t); }, &body);
  }
  template <class F> void parallel_kept(int64_t tasks, F&& body) {
    run_kept(tasks, [](void* c, int64_t t) { (*static_cast<std::remove_reference_t<F>*>(c))(t); }, &body);
  }
};

// Holds a pool while it lives; a null pointer holds none.
class PoolHold {
 public:
  explicit PoolHold(ThreadPool* pool) : pool_(pool) {
    if (pool_ != nullptr) pool_->hold();
  }
  ~PoolHold() {
    if (pool_ != nullptr) pool_->release();
  }
  PoolHold(const PoolHold&) = delete;
  PoolHold& operator=(const PoolHold&) = delete;

 private:
  ThreadPool* const pool_;
};

}  // namespace flashbook
