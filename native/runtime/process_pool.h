// The thread pool of this process. All environments (main thread, worker threads) share it.
#pragma once

#include <string>

#include "runtime/thread_pool.h"

namespace flashbook {

ThreadPool& process_pool();

// Sets how many threads may work at once, 1 … kMaxThreads. Takes effect with the next run.
void set_pool_threads(int count);

// Where the number of threads comes from, and what was wrong with FLASHBOOK_THREADS if anything.
std::string pool_thread_source();
std::string pool_problem();

}  // namespace flashbook
