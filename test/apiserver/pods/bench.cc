// What the index of pods costs: `pods_bench PODS` fills it with pods of two containers and four
// labels, looks containers up while another thread changes pods, and tells times and memory.
#include <fmt/format.h>
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <random>
#include <thread>

#include "apiserver/pods/pod_index.h"

namespace huatuo {
namespace {

std::string Id(size_t n) { return fmt::format("{:016x}{:048x}", n * 2654435761U, n); }

Pod MakePod(size_t n, size_t version) {
  Pod pod;
  pod.uid = fmt::format("{:08x}-aaaa-4bbb-8ccc-{:012x}", n, n);
  pod.resource_version = std::to_string(version);
  pod.namespace_name = fmt::format("namespace-{}", n % 50);
  pod.name = fmt::format("app-{}-5d4f8c7b9-{:05x}", n % 300, n);
  pod.node = fmt::format("node-{}.example.com", n % 200);
  pod.qos = "burstable";
  pod.owner = fmt::format("Deployment/app-{}", n % 300);
  pod.labels = {{"app.kubernetes.io/name", fmt::format("app-{}", n % 300)},
                {"app.kubernetes.io/part-of", "shop"},
                {"pod-template-hash", "5d4f8c7b9"},
                {"team", "a"}};
  pod.containers = {{.name = "main", .type = "normal", .ids = {Id(2 * n)}},
                    {.name = "istio-proxy", .type = "normal", .ids = {Id(2 * n + 1)}}};
  return pod;
}

// Of this thread alone, so that figures of a busy machine compare.
double CpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double LookUp(const PodIndex& index, const std::vector<std::string>& ids) {
  constexpr size_t kCalls = 2'000'000;
  std::mt19937_64 random(1);
  size_t found = 0;
  const double begin = CpuNs();
  for (size_t i = 0; i < kCalls; ++i) {
    if (index.Find(ids[random() % ids.size()], "").container != nullptr) ++found;
  }
  if (found != kCalls) std::abort();
  return (CpuNs() - begin) / kCalls;
}

void Run(size_t pods) {
  const size_t before = mallinfo2().uordblks;
  PodIndex index(Clock::Real());
  const double begin = CpuNs();
  for (size_t n = 0; n < pods; ++n) index.Set(MakePod(n, 1));
  const double filled = CpuNs() - begin;
  const size_t bytes = mallinfo2().uordblks - before;
  std::vector<std::string> ids;
  for (size_t n = 0; n < 2 * pods; ++n) ids.push_back(Id(n));
  fmt::print("{} pods: {:.0f} bytes a pod, {:.0f} ns to make and set one\n", pods,
             static_cast<double>(bytes) / static_cast<double>(pods),
             filled / static_cast<double>(pods));
  fmt::print("lookup: {:.0f} ns\n", LookUp(index, ids));
  std::atomic<bool> stop = false;
  std::atomic<size_t> changes = 0;
  std::thread churn([&] {
    for (size_t i = 0; !stop; ++i, ++changes) {
      index.Set(MakePod(i % pods, i + 2));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const double busy = LookUp(index, ids);
  stop = true;
  churn.join();
  fmt::print("lookup beside {} changes: {:.0f} ns\n", changes.load(), busy);
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  huatuo::Run(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000);
  return 0;
}
