// huatuo-fleet: thousands of nodes in one process, against one apiserver or several.
//
// With capture_to it takes what one real collector sends instead, to be what the nodes send. It
// prints a line of JSON every report_seconds, and one at the end. scripts/fleet runs all of it.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <ranges>

#include "common/config.h"
#include "common/process.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "test/fleet/driver.h"

namespace huatuo {
namespace {

struct Settings {
  std::vector<std::string> apiserver;
  std::string capture_to;
  std::string listen = "127.0.0.1:0";
  std::string captured;
  uint64_t nodes = 100;
  uint64_t series = 1000;
  uint64_t metrics_interval_seconds = 15;
  double events_per_second = 0.1;
  uint64_t events_at_once = 1;
  uint64_t seconds = 60;
  uint64_t ramp_seconds = 10;
  uint64_t settle_seconds = 60;
  uint64_t report_seconds = 10;
  uint64_t threads = 1;
  uint64_t churn_per_minute = 0;
  uint64_t storm_seconds = 0;
  uint64_t silent = 0;
  uint64_t deaf = 0;
  uint64_t backwards = 0;
  uint64_t huge = 0;
  uint64_t flood = 0;
};

absl::StatusOr<Settings> LoadSettings(int argc, char** argv) {
  Settings s;
  const Option options[] = {
      {"apiserver", "host:port of gRPC; may be repeated, nodes are spread", &s.apiserver},
      {"capture_to", "file to write what a collector sends to `listen`", &s.capture_to},
      {"listen", "with capture_to: where", &s.listen},
      {"captured", "file that was written so", &s.captured},
      {"nodes", "nodes that behave", &s.nodes, 1, 100'000},
      {"series", "series of each, a histogram being one", &s.series, 1, 20'000},
      {"metrics_interval_seconds", "", &s.metrics_interval_seconds, 1, 3600},
      {"events_per_second", "of each node", &s.events_per_second, 0, 1e6},
      {"events_at_once", "of each node, in one message, as a node sends what has waited",
       &s.events_at_once, 1, 1000},
      {"seconds", "how long", &s.seconds, 1, 1e6},
      {"ramp_seconds", "time over which the nodes connect", &s.ramp_seconds, 0, 3600},
      {"settle_seconds", "longest wait for the last acks", &s.settle_seconds, 0, 3600},
      {"report_seconds", "", &s.report_seconds, 1, 3600},
      {"threads", "of the simulator", &s.threads, 1, 64},
      {"churn_per_minute", "nodes that go for good, and others that come", &s.churn_per_minute},
      {"storm_seconds", "every so often all streams break; 0: never", &s.storm_seconds},
      {"silent", "further nodes that say hello and nothing more", &s.silent},
      {"deaf", "that read nothing", &s.deaf},
      {"backwards", "that send sequences backwards", &s.backwards},
      {"huge", "that send a message of 16 MiB", &s.huge},
      {"flood", "that send events as fast as they go", &s.flood}};
  RETURN_IF_ERROR(LoadConfig(options, argc, argv));
  if (s.capture_to.empty() && (s.apiserver.empty() || s.captured.empty())) {
    return InvalidArgument("apiserver and captured are needed, or capture_to");
  }
  return s;
}

// In turn to the threads.
std::vector<std::vector<NodePlan>> Plans(const Settings& s) {
  std::vector<std::vector<NodePlan>> plans(s.threads);
  uint64_t made = 0;
  const auto add = [&](Manner manner, uint64_t count, double events_per_second) {
    for (uint64_t i = 0; i < count; ++i, ++made) {
      NodePlan plan{.name = fmt::format("{}{:05}", kMannerNames[static_cast<size_t>(manner)], i),
                    .manner = manner,
                    .target = s.apiserver[made % s.apiserver.size()],
                    .metrics_interval = std::chrono::seconds(s.metrics_interval_seconds)};
      if (events_per_second > 0) {
        const auto at_once = static_cast<double>(s.events_at_once);
        plan.event_interval =
            std::chrono::nanoseconds(static_cast<int64_t>(1e9 * at_once / events_per_second));
        plan.events_at_once = s.events_at_once;
      }
      plans[made % s.threads].push_back(std::move(plan));
    }
  };
  add(Manner::kGood, s.nodes, s.events_per_second);
  add(Manner::kSilent, s.silent, 0);
  add(Manner::kDeaf, s.deaf, 100);
  add(Manner::kBackwards, s.backwards, 0);
  add(Manner::kHuge, s.huge, 0);
  add(Manner::kFlood, s.flood, 1e6);
  return plans;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double Quantile(std::vector<int64_t>& sorted, double q) {
  if (sorted.empty()) return 0;
  return static_cast<double>(
             sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))]) /
         1e6;
}

void Report(const char* kind, Steady::time_point began, Tally& tally, uint64_t abandoned) {
  std::vector<int64_t> delays = tally.delays();
  std::ranges::sort(delays);
  std::string ends;
  for (const auto& [how, count] : tally.ends()) {
    ends += fmt::format("{}\"{}\":{}", ends.empty() ? "" : ",", how, count);
  }
  fmt::print(R"({{"kind":"{}","seconds":{:.1f},"connected":{},"streams":{},"events":{},"acked":{},)"
             R"("abandoned":{},"resent":{},"rounds":{},"late_rounds":{},"samples":{},"bytes":{},)"
             R"("slow_downs":{},"ack_ms":{{"p50":{:.1f},"p99":{:.1f},"max":{:.1f}}},)"
             R"("cpu_seconds":{:.2f},"ends":{{{}}}}})"
             "\n",
             kind, std::chrono::duration<double>(Steady::now() - began).count(),
             tally.connected.load(), tally.streams.load(), tally.events.load(), tally.acked.load(),
             abandoned, tally.resent.load(), tally.rounds.load(), tally.late_rounds.load(),
             tally.samples.load(), tally.bytes.load(), tally.slow_downs.load(),
             Quantile(delays, 0.5), Quantile(delays, 0.99), Quantile(delays, 1), CpuSeconds(),
             ends);
  std::fflush(stdout);
}

// True when a signal came before.
bool Wait(const sigset_t& signals, Steady::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(until - Steady::now());
  if (left.count() <= 0) return false;
  const timespec time{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
  return sigtimedwait(&signals, nullptr, &time) > 0;
}

absl::Status Simulate(const Settings& s, const sigset_t& signals) {
  ASSIGN_OR_RETURN(Captured captured, ReadCaptured(s.captured));
  const Load load(std::move(captured), s.series);
  Tally tally;
  std::vector<std::unique_ptr<Driver>> drivers;
  const auto began = Steady::now();
  // Each thread has its share of the churn.
  const Weather weather{s.churn_per_minute / s.threads, s.storm_seconds};
  for (std::vector<NodePlan>& plans : Plans(s)) {
    drivers.push_back(std::make_unique<Driver>(std::move(plans), weather,
                                               std::chrono::seconds(s.ramp_seconds), load, tally));
  }
  const auto abandoned = [&drivers] {
    uint64_t sum = 0;
    for (const auto& driver : drivers) sum += driver->abandoned();
    return sum;
  };
  const auto end = began + std::chrono::seconds(s.seconds);
  for (auto at = began; at < end;) {
    at = std::min(end, at + std::chrono::seconds(s.report_seconds));
    if (Wait(signals, at)) break;
    Report("report", began, tally, abandoned());
  }
  for (const auto& driver : drivers) driver->Quiet();
  const auto settled = [&drivers] {
    return std::ranges::all_of(drivers, [](const auto& driver) { return driver->AllAcked(); });
  };
  const auto last = Steady::now() + std::chrono::seconds(s.settle_seconds);
  while (!settled() && Steady::now() < last) {
    if (Wait(signals, Steady::now() + std::chrono::milliseconds(100))) break;
  }
  Report("end", began, tally, abandoned());
  return settled() ? absl::OkStatus() : Unavailable("not all events were acked");
}

absl::Status Run(const Settings& s, const sigset_t& signals) {
  if (!s.capture_to.empty()) return Capture(s.listen, s.capture_to);
  return Simulate(s, signals);
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  return huatuo::RunProcess(huatuo::LoadSettings, huatuo::Run, argc, argv);
}
