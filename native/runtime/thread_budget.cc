#include "runtime/thread_budget.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace flashbook {
namespace {

int affinity_count() {
#if defined(__linux__)
  // The set may be larger than cpu_set_t on big machines: grow until the kernel accepts the size.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

double least(double a, double b) { return a <= 0 ? b : b <= 0 ? a : std::min(a, b); }

// cpu.max holds «quota period» or «max period», in microseconds.
double quota_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max(0.0, std::strtod(quota.c_str(), nullptr) / period);
}

double quota_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

// The smallest quota of `path` and of every group above it; a container may see its own group as the root.
template <class Read>
double walk_up(const std::string& root, std::string path, Read read) {
  double quota = 0;
  while (true) {
    quota = least(quota, read(root + path));
    const size_t slash = path.find_last_of('/');
    if (path.empty() || slash == std::string::npos) return quota;
    path.resize(slash);
  }
}

}  // namespace

double cgroup_quota(const std::string& root, const std::string& self) {
  double quota = walk_up(root, "", quota_v2);
  std::ifstream file(self);
  std::string line;
  while (std::getline(file, line)) {  // «id:controllers:path»; version 2 has id 0 and no controllers
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      quota = least(quota, walk_up(root, path, quota_v2));
      continue;
    }
    std::stringstream names(controllers);
    for (std::string name; std::getline(names, name, ',');) {
      if (name != "cpu") continue;
      quota = least(quota, walk_up(root + "/" + controllers, path, quota_v1));
      quota = least(quota, walk_up(root + "/cpu", path, quota_v1));
    }
  }
  return quota;
}

ThreadBudget thread_budget() {
  ThreadBudget budget;
  budget.threads = affinity_count();
  budget.source = "affinity";
  const double quota = cgroup_quota();
  // A part of a CPU does not carry a spinning thread: it would be throttled, and the others would wait for it.
  const int whole = std::max(1, static_cast<int>(quota));
  if (quota > 0 && whole < budget.threads) {
    char text[64];
    std::snprintf(text, sizeof text, "cgroup quota %.2f", quota);
    budget.threads = whole;
    budget.source = text;
  }
  budget.threads = std::min(budget.threads, kMaxThreads);
  if (const char* wanted = std::getenv("FLASHBOOK_THREADS"); wanted != nullptr && *wanted != '\0') {
    char* end = nullptr;
    const long count = std::strtol(wanted, &end, 10);
    if (*end == '\0' && count >= 1 && count <= kMaxThreads) {
      budget.threads = static_cast<int>(count);
      budget.source = "FLASHBOOK_THREADS";
    } else {
      budget.problem = std::string("FLASHBOOK_THREADS=") + wanted + " is not an integer between 1 and 256";
    }
  }
  return budget;
}

}  // namespace flashbook
