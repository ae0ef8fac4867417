// The thread pool, the thread budget and the executor under concurrent use. Built with -DFLASHBOOK_TESTS=ON; run by
// `npm run test:core`, under ThreadSanitizer by `npm run test:tsan` and under AddressSanitizer by `npm run test:asan`.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>
#include <vector>

#include "engine/plan.h"
#include "runtime/process_pool.h"
#include "runtime/thread_budget.h"
#include "tests/allocations.h"
#include "tests/check.h"

namespace flashbook {
namespace {

// Each task of each job exactly once, whatever the number of tasks and threads.
void every_task_once() {
  ThreadPool& pool = process_pool();
  for (int threads : {1, 2, 3, 8}) {
    set_pool_threads(threads);
    CHECK(pool.threads() == threads);
    for (int round = 0; round < 2000; round++) {
      const int64_t tasks = round % 37;
      std::vector<int> done(static_cast<size_t>(tasks), 0);
      auto task_done = [&](int64_t task) { done[static_cast<size_t>(task)]++; };  // plain memory: a race if shared
      if (round % 3 == 0) {
        pool.parallel_kept(tasks, task_done);
      } else {
        pool.parallel(tasks, task_done);
      }
      for (int count : done) CHECK(count == 1);
    }
  }
}

// Several environments call at the same time, and the number of threads changes under them.
void many_callers() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; caller++) {
    callers.emplace_back([] {
      for (int round = 0; round < 3000; round++) {
        int64_t parts[16] = {};
        process_pool().parallel(16, [&](int64_t task) { parts[task] = task + 1; });
        CHECK(std::accumulate(parts, parts + 16, int64_t{0}) == 136);
      }
    });
  }
  std::thread changer([&] {
    for (int count = 1; !stop.load(); count = count % 6 + 1) {
      set_pool_threads(count);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  for (std::thread& caller : callers) caller.join();
  stop.store(true);
  changer.join();
}

// Against the rule, but not a deadlock.
void run_inside_a_body() {
  set_pool_threads(3);
  std::atomic<int> count{0};
  process_pool().parallel(4, [&](int64_t) { process_pool().parallel(5, [&](int64_t) { count++; }); });
  CHECK(count == 20);
}

// Workers that have gone to sleep wake up again.
void after_a_pause() {
  set_pool_threads(3);
  for (int round = 0; round < 20; round++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> count{0};
    process_pool().parallel(64, [&](int64_t) { count++; });
    CHECK(count == 64);
  }
}

// Callers that hold the pool share it: every task is done once, and idle workers sleep in the end.
void held_by_several() {
  set_pool_threads(3);
  std::thread callers[4];
  for (std::thread& caller : callers) {
    caller = std::thread([] {
      for (int round = 0; round < 200; round++) {
        const PoolHold hold(&process_pool());
        for (int step = 0; step < 5; step++) {
          int parts[16] = {};
          process_pool().parallel_kept(16, [&](int64_t task) { parts[task]++; });
          CHECK(std::accumulate(parts, parts + 16, 0) == 16);
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  const PoolHold none(nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);   // nobody spins
}

#if !defined(__SANITIZE_THREAD__)
// A forked child has no workers; it does the work itself.
void in_a_forked_child() {
  set_pool_threads(4);
  process_pool().parallel(8, [](int64_t) {});
  const pid_t child = fork();
  if (child == 0) {
    int64_t parts[100] = {};
    process_pool().parallel(100, [&](int64_t task) { parts[task] = 1; });
    _exit(std::accumulate(parts, parts + 100, int64_t{0}) == 100 ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// With guard pages, the byte behind a block (rounded up to 64) and the one before it stop the process.
void guard_pages() {
  for (const int64_t offset : {int64_t{0}, int64_t{4095}, int64_t{4096}, int64_t{-1}}) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("FLASHBOOK_GUARD_PAGES", "1", 1);
      const AlignedMemory memory(4096 - 10);
      volatile std::byte* data = memory.data();
      std::fclose(stderr);  // a sanitizer's report of what is meant to happen
      data[offset] = std::byte{1};
      _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    const bool survived = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    CHECK(survived == (offset == 0 || offset == 4095));
  }
}
#endif

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

void quota_of_control_groups() {
  char pattern[] = "/tmp/flashbook-cgroup-XXXXXX";
  const std::filesystem::path root = mkdtemp(pattern);
  const std::string self = root / "self";
  const auto quota = [&] { return cgroup_quota(root / "fs", self); };

  CHECK(quota() == 0);  // no control groups at all
  write(self, "0::/\n");
  write(root / "fs/cpu.max", "150000 100000\n");  // a container that sees its own group as the root
  CHECK(quota() == 1.5);
  write(root / "fs/cpu.max", "max 100000\n");
  CHECK(quota() == 0);
  write(self, "0::/pod/container\n");
  write(root / "fs/pod/container/cpu.max", "400000 100000\n");
  CHECK(quota() == 4);
  write(root / "fs/pod/cpu.max", "200000 100000\n");  // the group above is tighter
  CHECK(quota() == 2);
  write(root / "fs/pod/cpu.max", "nonsense\n");
  CHECK(quota() == 4);

  std::filesystem::remove_all(root / "fs");  // version 1
  write(self, "11:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n");
  write(root / "fs/cpu,cpuacct/docker/a/cpu.cfs_quota_us", "-1\n");
  write(root / "fs/cpu,cpuacct/docker/a/cpu.cfs_period_us", "100000\n");
  CHECK(quota() == 0);
  write(root / "fs/cpu,cpuacct/docker/a/cpu.cfs_quota_us", "50000\n");
  CHECK(quota() == 0.5);
  std::filesystem::remove_all(root);
}

TensorSpec tensor(const char* name, bool is_state, int64_t elements, int64_t offset) {
  return {name, DType::f32, {elements}, is_state, offset};
}

std::unique_ptr<Plan> scale(const std::shared_ptr<State>& state, int64_t elements, double factor) {
  PlanSpec spec;
  spec.tensors = {tensor("w", true, elements, 0)};
  spec.steps = {{"scale", {0}, {0}, {{"factor", factor}}}};
  return std::make_unique<Plan>(spec, state, Isa::scalar, false, process_pool());
}

// Plans that write one state from two threads take turns.
void two_plans_on_one_state() {
  constexpr int64_t kElements = 40000;
  set_pool_threads(3);
  auto state = std::make_shared<State>(std::vector<StateSpec>{{"w", DType::f32, {kElements}}});
  const std::vector<float> ones(kElements, 1.0f);
  state->set(*state->find("w"), ones.data());
  auto twice = scale(state, kElements, 2), half = scale(state, kElements, 0.5);
  const auto repeat = [](Plan& plan) {
    for (int i = 0; i < 60; i++) {
      std::lock_guard<std::mutex> lock(plan.guard());
      CHECK(plan.run());
    }
  };
  std::thread other([&] { repeat(*half); });
  repeat(*twice);
  other.join();
  std::vector<float> result(kElements);
  state->get(*state->find("w"), result.data());
  CHECK(result == ones);
}

void cancelled_plans_stop() {
  auto state = std::make_shared<State>(std::vector<StateSpec>{{"w", DType::f32, {8}}});
  auto plan = scale(state, 8, 2);
  std::thread canceller([&] { plan->cancel(); });
  canceller.join();
  CHECK(!plan->run());
}

}  // namespace
}  // namespace flashbook

int main() {
  using namespace flashbook;
#if !defined(__SANITIZE_THREAD__)
  RUN(guard_pages);
  RUN(in_a_forked_child);
#endif
  RUN(every_task_once);
  RUN(many_callers);
  RUN(run_inside_a_body);
  RUN(after_a_pause);
  RUN(held_by_several);
  RUN(quota_of_control_groups);
  RUN(two_plans_on_one_state);
  RUN(cancelled_plans_stop);
  RUN(runs_allocate_nothing);
  std::printf("all passed\n");
}
