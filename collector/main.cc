// huatuo-collector: what a node observes, to the apiserver. Its stages are in collector.h.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>

#include "collector/collector.h"
#include "collector/settings.h"
#include "common/log.h"
#include "common/process.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

absl::Status Run(const Settings& settings, const sigset_t& signals) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Collector> collector, Collector::Open(settings));
  RETURN_IF_ERROR(collector->Start());
  // The text of the BPF objects and of the first scans is not needed again.
  malloc_trim(0);
  LogInfo(fmt::format("collector {} of node {} sends to {}", HUATUO_VERSION, settings.node,
                      fmt::join(settings.apiserver, ", ")));

  int signal = 0;
  sigwait(&signals, &signal);
  LogInfo(fmt::format("signal {}: stopping", signal));
  collector->Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  return huatuo::RunProcess(huatuo::LoadSettings, huatuo::Run, argc, argv);
}
