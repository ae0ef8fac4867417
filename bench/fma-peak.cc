// The float32 peak of one core and of all of them: independent chains of fused multiply-adds on the widest registers that this
// machine has, nothing else. Prints "threads GFLOP/s" for each count given as argument. What kernels are measured against.
#include <immintrin.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int chains = 12;      // more than latency × ports, few enough for the registers
constexpr long rounds = 1'000'000;

#if defined(__AVX512F__)
constexpr int lanes = 16;
using Vector = __m512;
Vector broadcast(float x) { return _mm512_set1_ps(x); }
Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
float first(Vector a) { return _mm512_cvtss_f32(a); }
#else
constexpr int lanes = 8;
using Vector = __m256;
Vector broadcast(float x) { return _mm256_set1_ps(x); }
Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
float first(Vector a) { return _mm256_cvtss_f32(a); }
#endif

volatile float sink;

void work() {
  Vector sum[chains];
  for (int i = 0; i < chains; i++) sum[i] = broadcast(static_cast<float>(i));
  const Vector a = broadcast(0.999f), b = broadcast(0.001f);
  for (long r = 0; r < rounds; r++) {
    for (int i = 0; i < chains; i++) sum[i] = fma(sum[i], a, b);
  }
  for (int i = 0; i < chains; i++) sink = first(sum[i]);
}

}  // namespace

int main(int argc, char** argv) {
  for (int arg = 1; arg < argc; arg++) {
    const int threads = std::atoi(argv[arg]);
    double best = 0;
    for (int repeat = 0; repeat < 60; repeat++) {
      const auto start = std::chrono::steady_clock::now();
      std::vector<std::thread> workers;
      for (int t = 0; t < threads; t++) workers.emplace_back(work);
      for (std::thread& worker : workers) worker.join();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      const double rate = 2.0 * lanes * chains * rounds * threads / seconds.count() / 1e9;
      if (rate > best) best = rate;
    }
    std::printf("%d %.1f\n", threads, best);
  }
}
