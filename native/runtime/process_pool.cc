// One job at a time. The caller publishes the job, opens the gate, works too, shuts the gate when no task is left and
// waits until nobody is inside. A worker that wakes late finds the gate shut and leaves without looking at the job:
// nobody waits for sleeping workers.
//
// A second caller (another environment's thread, or a body that breaks the rule and calls run) finds the pool busy and
// runs its tasks itself, so callers never wait for each other.
#include "runtime/process_pool.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

#include "runtime/thread_budget.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flashbook {
namespace {

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waking a sleeper takes 10 to 50 µs, more than most steps of a small plan. So workers look for the next job for about 20 µs before
// they sleep, and as long as a plan runs that has a core to spare for them for up to a millisecond more. The 20 µs begin when it ends: its last
// steps may be for one thread, and the next prediction may follow at once.
constexpr int kSpins = 600;
constexpr int kHeldSpins = 30000;

class ProcessPool final : public ThreadPool {
 public:
  ProcessPool() : budget_(thread_budget()), limit_(budget_.threads), source_(budget_.source) {}

  int threads() const override { return limit_.load(std::memory_order_relaxed); }

  void run(int64_t tasks, void (*body)(void*, int64_t), void* context) override { run(tasks, body, context, false); }
  void run_kept(int64_t tasks, void (*body)(void*, int64_t), void* context) override { run(tasks, body, context, true); }

  void run(int64_t tasks, void (*body)(void*, int64_t), void* context, bool kept) {
    // Other callers that hold the pool have a core each.
    const int others = std::max(0, holders_.load(std::memory_order_relaxed) - 1);
    const int helpers = static_cast<int>(std::min<int64_t>(threads() - others, tasks)) - 1;
    if (helpers <= 0 || busy_.exchange(true, std::memory_order_acquire)) {
      for (int64_t task = 0; task < tasks; task++) body(context, task);
      return;
    }
    if (started_ < helpers) start(threads() - 1);
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    admitted_.store(helpers, std::memory_order_relaxed);
    kept_ = kept;
    next_.store(0, std::memory_order_relaxed);
    taken_.store(0, std::memory_order_relaxed);
    open_.store(true);
    wake();
    work(0);
    open_.store(false);
    for (int spins = 0; inside_.load() != 0; spins++) {
      if (spins < kSpins) {
        relax();
      } else if (const int count = inside_.load(); count != 0) {
        inside_.wait(count);
      }
    }
    busy_.store(false, std::memory_order_release);
  }

  void hold() override {
    if (holders_.fetch_add(1, std::memory_order_relaxed) + 1 >= threads()) return;   // no core is left for a worker
    if (started_.load(std::memory_order_relaxed) > 0) wake();
  }

  void release() override { holders_.fetch_sub(1, std::memory_order_relaxed); }

  void set_threads(int count) {
    std::lock_guard<std::mutex> lock(source_mutex_);
    limit_.store(std::clamp(count, 1, kMaxThreads));
    source_ = "setThreads";
  }

  std::string source() const {
    std::lock_guard<std::mutex> lock(source_mutex_);
    return source_;
  }
  const std::string& problem() const { return budget_.problem; }

  // In a forked child the workers do not exist: everything runs on the caller.
  void forked() {
    limit_.store(1);
    holders_.store(0);
    busy_.store(false);
  }

 private:
  void wake() {
    generation_.fetch_add(1);
    generation_.notify_all();
  }

  // The caller is participant 0, worker i is participant i + 1.
  void work(int participant) {
    if (!kept_) {
      for (int64_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) body_(context_, task);
      return;
    }
    for (int64_t i = 0; i < tasks_; i++) {   // first its own
      const int64_t task = (participant + i) % tasks_;
      const uint64_t bit = uint64_t{1} << task;
      if ((taken_.load(std::memory_order_relaxed) & bit) == 0 && (taken_.fetch_or(bit, std::memory_order_relaxed) & bit) == 0) {
        body_(context_, task);
      }
    }
  }

  // Called while busy_ is held. A system without room for more threads leaves the pool smaller.
  void start(int wanted) {
#if defined(__unix__) || defined(__APPLE__)
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads of the host
#endif
    try {
      for (; started_ < wanted; started_++) {
        std::thread([this, index = started_.load()] { loop(index); }).detach();
      }
    } catch (const std::system_error&) {
    }
#if defined(__unix__) || defined(__APPLE__)
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
  }

  [[noreturn]] void loop(int index) {
    int seen = generation_.load() - 1;
    while (true) {
      for (int spins = 0, held = 0; spins < kSpins && generation_.load(std::memory_order_relaxed) == seen; relax()) {
        if (held < kHeldSpins && awaited(index)) {
          held++;
          spins = 0;
        } else {
          spins++;
        }
      }
      if (generation_.load(std::memory_order_relaxed) == seen) generation_.wait(seen);
      seen = generation_.load();
      inside_.fetch_add(1);
      if (open_.load() && index < admitted_.load(std::memory_order_relaxed)) work(index + 1);
      if (inside_.fetch_sub(1) == 1) inside_.notify_all();
    }
  }

  // Whether a plan runs that this worker helped at last, and there is a core for it.
  bool awaited(int index) const {
    const int holders = holders_.load(std::memory_order_relaxed);
    return holders > 0 && index + 1 + holders <= threads() && index < admitted_.load(std::memory_order_relaxed);
  }

  const ThreadBudget budget_;
  std::atomic<int> limit_;
  mutable std::mutex source_mutex_;
  std::string source_;
  std::atomic<bool> busy_{false};
  std::atomic<int> started_{0};
  alignas(64) std::atomic<int> holders_{0};   // plans that run

  // The job; written while the gate is shut and nobody is inside.
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t tasks_ = 0;
  bool kept_ = false;
  std::atomic<int> admitted_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  std::atomic<uint64_t> taken_{0};   // of kept tasks, one bit each
  alignas(64) std::atomic<bool> open_{false};
  std::atomic<int> inside_{0};
  alignas(64) std::atomic<int> generation_{0};
};

// Never destroyed: workers may be parked in it when the process ends.
ProcessPool& pool() {
  static ProcessPool* instance = [] {
    static ProcessPool* created = new ProcessPool;
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(nullptr, nullptr, [] { created->forked(); });
#endif
    return created;
  }();
  return *instance;
}

}  // namespace

ThreadPool& process_pool() { return pool(); }
void set_pool_threads(int count) { pool().set_threads(count); }
std::string pool_thread_source() { return pool().source(); }
std::string pool_problem() { return pool().problem(); }

}  // namespace flashbook
