// Checks of the native tests, which are plain programs so that sanitizers see every instruction.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                               \
    }                                                                             \
  } while (0)

#define RUN(test)                \
  do {                           \
    std::printf("%s\n", #test);  \
    std::fflush(stdout);         \
    test();                      \
  } while (0)
