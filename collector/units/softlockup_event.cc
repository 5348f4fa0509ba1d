#include "collector/units/softlockup_event.h"

#include <fmt/format.h>

#include <charconv>

#include "bpf/softlockup.h"
#include "collector/enrich/text.h"
#include "collector/units/stack_text.h"

namespace huatuo {
namespace {

// The number at the front of `text`, taken off together with what must follow it.
std::optional<uint64_t> TakeNumber(std::string_view& text, std::string_view then) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (!text.starts_with(then)) return std::nullopt;
  text.remove_prefix(then.size());
  return number;
}

v1::Stack StackOf(const event_stack& from, Context& context) {
  v1::Stack stack;
  for (const uint64_t address : from.frame) {
    if (address == 0) break;
    *stack.add_frames() = context.Symbolize(address);
  }
  return stack;
}

}  // namespace

void CompleteSoftlockup(const void* record, Completion& completion) {
  const auto& event = *static_cast<const softlockup_event*>(record);
  const event_header& header = event.header;
  const std::string_view comm(header.comm, strnlen(header.comm, sizeof(header.comm)));
  const v1::Stack stack = StackOf(event.place.stack, completion.context());
  if (stack.frames_size() == 0) {
    completion.Set("cpus_stack", CpusStack(completion, {}));
    return;
  }
  const std::string own = fmt::format("CPU {}: {} {}/{}\n{}", header.cpu, SafeText(comm),
                                      header.tgid, header.tid, Indented(stack));
  completion.Set("cpus_stack", CpusStack(completion, {{header.cpu, own}}));
}

// "4,1234,5678901,-;watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [name:123]\n…"
std::optional<WatchdogReport> ParseWatchdog(std::string_view record) {
  constexpr std::string_view kStart = "BUG: soft lockup - CPU#";
  record = record.substr(0, record.find('\n'));
  const size_t start = record.find(kStart);
  if (start == std::string_view::npos) return std::nullopt;
  record.remove_prefix(start + kStart.size());
  const std::optional<uint64_t> cpu = TakeNumber(record, " stuck for ");
  const std::optional<uint64_t> seconds = cpu ? TakeNumber(record, "s! [") : std::nullopt;
  // A name may hold any of these characters, so from the end.
  const size_t colon = record.rfind(':');
  if (!seconds || colon == std::string_view::npos) return std::nullopt;
  std::string_view rest = record.substr(colon + 1);
  const std::optional<uint64_t> tid = TakeNumber(rest, "]");
  if (!tid) return std::nullopt;
  return WatchdogReport{.cpu = static_cast<uint32_t>(*cpu),
                        .tid = static_cast<uint32_t>(*tid),
                        .duration_ns = *seconds * 1'000'000'000,
                        .comm = std::string(record.substr(0, colon))};
}

}  // namespace huatuo
