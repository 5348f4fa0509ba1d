// bpf_load_check FILE.bpf.o...: loads and attaches every program of every file, one at a time, on
// this kernel, and prints a line for each: `ok` or `unavailable` with the reason.
//
// Exit 1 when a file cannot be opened, the verifier refuses a program (that is our fault, while a
// missing hook is the kernel's), or no program of any file works here.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace huatuo {
namespace {

enum class Outcome { kOk, kUnavailable, kRefused };

struct Result {
  Outcome outcome;
  std::string reason;
};

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, CloseObject>;

std::string& LastLog() {
  static std::string log;
  return log;
}

int KeepLog(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) {
    return 0;
  }
  std::string line(1 << 20, '\0');
  const int length = vsnprintf(line.data(), line.size(), format, arguments);
  line.resize(std::min(line.size() - 1, static_cast<size_t>(std::max(length, 0))));
  LastLog() += line;
  return 0;
}

// EACCES and EINVAL come from the verifier; a hook that is missing, locked down or not configured
// gives ESRCH, ENOENT, EPERM, ENOTSUP or EOPNOTSUPP.
Result LoadFailure(int error) {
  const bool refused = error == EACCES || error == EINVAL || error == E2BIG;
  return {refused ? Outcome::kRefused : Outcome::kUnavailable,
          fmt::format("load: {}", strerror(error))};
}

// The kernel's variables that the file names and this kernel's BTF does not. They are weak, so that
// only the programs that use them are refused.
std::string MissingSymbols(const bpf_object* object) {
  const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__load_vmlinux_btf(), &btf__free);
  const btf* own = bpf_object__btf(object);
  const int section = btf__find_by_name_kind(own, ".ksyms", BTF_KIND_DATASEC);
  std::string missing;
  if (section < 0 || kernel == nullptr) return missing;
  const btf_type* variables = btf__type_by_id(own, static_cast<uint32_t>(section));
  for (int i = 0; i < btf_vlen(variables); ++i) {
    const btf_type* variable = btf__type_by_id(own, btf_var_secinfos(variables)[i].type);
    const char* name = btf__name_by_offset(own, variable->name_off);
    if (!btf_is_var(variable)) continue;
    if (btf__find_by_name_kind(kernel.get(), name, BTF_KIND_VAR) < 0)
      missing += fmt::format(" {}", name);
  }
  return missing;
}

// A program of a perf event needs one: a tick of CPU 0.
bpf_link* Attach(const bpf_program* program) {
  if (bpf_program__type(program) != BPF_PROG_TYPE_PERF_EVENT) return bpf_program__attach(program);
  perf_event_attr tick{};
  tick.size = sizeof(tick);
  tick.type = PERF_TYPE_SOFTWARE;
  tick.config = PERF_COUNT_SW_CPU_CLOCK;
  tick.sample_period = 10'000'000;
  const long fd = syscall(SYS_perf_event_open, &tick, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
  return fd < 0 ? nullptr : bpf_program__attach_perf_event(program, static_cast<int>(fd));
}

Result TryProgram(const std::string& file, const std::string& name) {
  const Object object(bpf_object__open_file(file.c_str(), nullptr));
  bpf_program* wanted = nullptr;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    const bool match = bpf_program__name(program) == name;
    bpf_program__set_autoload(program, match);
    wanted = match ? program : wanted;
  }
  LastLog().clear();
  if (const int error = bpf_object__load(object.get())) {
    // What the verifier sees in place of the address of a variable that is not there.
    const bool lacks = LastLog().find("expected=percpu_ptr") != std::string::npos;
    const std::string missing = lacks ? MissingSymbols(object.get()) : "";
    if (!missing.empty())
      return {Outcome::kUnavailable, "load: the kernel does not name" + missing};
    return LoadFailure(-error);
  }
  bpf_link* link = Attach(wanted);
  if (link == nullptr) {
    return {Outcome::kUnavailable, fmt::format("attach: {}", strerror(errno))};
  }
  bpf_link__destroy(link);
  return {Outcome::kOk, ""};
}

std::vector<std::string> Programs(const bpf_object* object) {
  std::vector<std::string> names;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) { names.emplace_back(bpf_program__name(program)); }
  return names;
}

void Print(const std::string& file, const std::string& program, const Result& result) {
  static constexpr const char* kWords[] = {"ok", "unavailable: ", "refused: "};
  const std::string shown = file.substr(file.rfind('/') + 1);
  fmt::print("{} {}: {}{}\n", shown, program, kWords[static_cast<int>(result.outcome)],
             result.reason);
  if (result.outcome == Outcome::kRefused) {
    // The verifier says why at the end.
    const std::string& log = LastLog();
    fmt::print("{}\n", log.substr(log.size() - std::min<size_t>(log.size(), 2000)));
  }
}

struct Tally {
  int working = 0;
  int bad = 0;
};

void CheckFile(const std::string& file, Tally& tally) {
  const Object object(bpf_object__open_file(file.c_str(), nullptr));
  if (object == nullptr) {
    fmt::print("{}: {}\n", file, strerror(errno));
    tally.bad++;
    return;
  }
  for (const std::string& program : Programs(object.get())) {
    const Result result = TryProgram(file, program);
    Print(file, program, result);
    tally.working += result.outcome == Outcome::kOk ? 1 : 0;
    tally.bad += result.outcome == Outcome::kRefused ? 1 : 0;
  }
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  libbpf_set_print(huatuo::KeepLog);
  huatuo::Tally tally;
  for (int i = 1; i < argc; i++) {
    huatuo::CheckFile(argv[i], tally);
  }
  return tally.working > 0 && tally.bad == 0 ? 0 : 1;
}
