// How many threads this process may use: its CPU affinity, limited by the quota of its control groups.
#pragma once

#include <string>

namespace flashbook {

struct ThreadBudget {
  int threads = 1;
  std::string source;   // where the number comes from, for people: «affinity», «cgroup quota 1.50», «FLASHBOOK_THREADS»
  std::string problem;  // what was wrong with FLASHBOOK_THREADS, if anything
};

constexpr int kMaxThreads = 256;

ThreadBudget thread_budget();

// CPUs granted by the quota of this process's control group and the groups above it (version 1 and 2); 0 when there is
// no quota. `root` is where the control groups are mounted, `self` the file that names the group of this process.
double cgroup_quota(const std::string& root = "/sys/fs/cgroup", const std::string& self = "/proc/self/cgroup");

}  // namespace flashbook
