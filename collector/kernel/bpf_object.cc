#include "collector/kernel/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "collector/kernel/permission.h"
#include "collector/root.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// libbpf explains itself only through this callback: the last complaint of this thread is the
// reason that goes with its errno.
thread_local std::string last_complaint;

int KeepComplaint(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int size = std::vsnprintf(line, sizeof(line), format, arguments);
  if (size <= 0) return size;
  std::string text(line, std::min<size_t>(size, sizeof(line) - 1));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.starts_with("libbpf: ")) text.erase(0, 8);
  // The first complaint is nearest to the cause; what follows repeats it in general words.
  if (last_complaint.empty()) last_complaint = text.substr(0, 200);
  return size;
}

absl::Status Failure(int error, const std::string& what) {
  std::string reason = std::exchange(last_complaint, {});
  const std::string lacks = WhyRefused(error);
  if (!lacks.empty()) reason = reason.empty() ? lacks : fmt::format("{}; {}", lacks, reason);
  absl::Status status = ErrnoStatus(error, what);
  if (reason.empty()) return status;
  return absl::Status(status.code(), fmt::format("{} ({})", Message(status), reason));
}

size_t PageAligned(size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

absl::Status Store(std::byte* at, uint32_t bytes, uint64_t value, std::string_view name) {
  if (bytes < sizeof(value) && (value >> (8 * bytes)) != 0) {
    return InvalidArgument(fmt::format("{}: {} does not fit in {} bytes", name, value, bytes));
  }
  switch (bytes) {
    // A tunable is read by running programs: one store each, never torn.
    case 1:
      *reinterpret_cast<volatile uint8_t*>(at) = static_cast<uint8_t>(value);
      break;
    case 2:
      *reinterpret_cast<volatile uint16_t*>(at) = static_cast<uint16_t>(value);
      break;
    case 4:
      *reinterpret_cast<volatile uint32_t*>(at) = static_cast<uint32_t>(value);
      break;
    case 8:
      *reinterpret_cast<volatile uint64_t*>(at) = value;
      break;
    default:
      return Internal(fmt::format("{}: a variable of {} bytes", name, bytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<BpfObject>> BpfObject::Open(const std::string& name,
                                                           std::span<const std::byte> elf) {
  static std::once_flag once;
  std::call_once(once, [] { libbpf_set_print(KeepComplaint); });
  last_complaint.clear();
  bpf_object* object = bpf_object__open_mem(elf.data(), elf.size(), nullptr);
  if (object == nullptr) return Failure(errno, "open " + name);
  return std::unique_ptr<BpfObject>(new BpfObject(name, object));
}

BpfObject::~BpfObject() {
  Detach();
  if (tunables_ != nullptr) munmap(tunables_, tunables_bytes_);
  bpf_object__close(object_);
}

BpfObject::Variables BpfObject::VariablesOf(const char* section) const {
  Variables variables;
  const btf* types = bpf_object__btf(object_);
  const int id = types == nullptr ? -1 : btf__find_by_name_kind(types, section, BTF_KIND_DATASEC);
  if (id < 0) return variables;
  const btf_type* all = btf__type_by_id(types, id);
  const btf_var_secinfo* info = btf_var_secinfos(all);
  for (int i = 0; i < btf_vlen(all); ++i) {
    const btf_type* variable = btf__type_by_id(types, info[i].type);
    variables[btf__name_by_offset(types, variable->name_off)] = {info[i].offset, info[i].size};
  }
  return variables;
}

absl::StatusOr<std::span<std::byte>> BpfObject::Constant(std::string_view name) {
  const Variables variables = VariablesOf(".rodata");
  const auto variable = variables.find(name);
  bpf_map* map = bpf_object__find_map_by_name(object_, ".rodata");
  if (variable == variables.end() || map == nullptr) {
    return InvalidArgument(fmt::format("{}: no constant {}", name_, name));
  }
  size_t size = 0;
  auto* memory = static_cast<std::byte*>(
      const_cast<void*>(static_cast<const void*>(bpf_map__initial_value(map, &size))));
  const auto [offset, bytes] = variable->second;
  if (memory == nullptr || offset + bytes > size) {
    return Internal(fmt::format("{}: constant {} lies outside of .rodata", name_, name));
  }
  return std::span(memory + offset, bytes);
}

absl::Status BpfObject::SetConstant(std::string_view name, uint64_t value) {
  ASSIGN_OR_RETURN(const std::span<std::byte> place, Constant(name));
  return Store(place.data(), static_cast<uint32_t>(place.size()), value, name);
}

absl::Status BpfObject::SetConstant(std::string_view name, std::span<const std::byte> value) {
  ASSIGN_OR_RETURN(const std::span<std::byte> place, Constant(name));
  if (place.size() != value.size()) {
    return InvalidArgument(
        fmt::format("{}: {} bytes do not fit in {}", name, value.size(), place.size()));
  }
  std::copy(value.begin(), value.end(), place.begin());
  return absl::OkStatus();
}

absl::Status BpfObject::Select(std::span<const std::string_view> programs) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object_) {
    const std::string_view name = bpf_program__name(program);
    const bool wanted = std::find(programs.begin(), programs.end(), name) != programs.end();
    bpf_program__set_autoload(program, wanted);
    if (wanted) selected_.push_back(program);
  }
  if (selected_.size() == programs.size()) return absl::OkStatus();
  return Internal(fmt::format("{}: a program that the object does not have", name_));
}

absl::Status BpfObject::ShareMap(const std::string& name, int fd) {
  bpf_map* map = bpf_object__find_map_by_name(object_, name.c_str());
  if (map == nullptr) return Internal(fmt::format("{}: no map {}", name_, name));
  const int error = bpf_map__reuse_fd(map, fd);
  if (error != 0) return Failure(-error, fmt::format("{}: share map {}", name_, name));
  shared_.push_back(name);
  return absl::OkStatus();
}

absl::Status BpfObject::Resize(const std::string& name, uint32_t entries) {
  bpf_map* map = bpf_object__find_map_by_name(object_, name.c_str());
  if (map == nullptr) return Internal(fmt::format("{}: no map {}", name_, name));
  const int error = bpf_map__set_max_entries(map, entries);
  return error == 0 ? absl::OkStatus() : Failure(-error, fmt::format("{}: resize {}", name_, name));
}

absl::Status BpfObject::Load() {
  last_complaint.clear();
  const int error = bpf_object__load(object_);
  if (error != 0) return Failure(-error, "load " + name_);
  // Asked once: no map here grows.
  map_bytes_ = MeasureMaps();
  return MapTunables();
}

absl::Status BpfObject::MapTunables() {
  bpf_map* map = bpf_object__find_map_by_name(object_, ".data");
  if (map == nullptr) return absl::OkStatus();
  tunables_bytes_ = PageAligned(bpf_map__value_size(map));
  void* memory =
      mmap(nullptr, tunables_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, fmt::format("{}: map tunables", name_));
  tunables_ = static_cast<std::byte*>(memory);
  tunable_variables_ = VariablesOf(".data");
  return absl::OkStatus();
}

void BpfObject::Detach() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  links_.clear();
}

absl::StatusOr<bpf_link*> BpfObject::AttachProgram(const bpf_program* program) {
  last_complaint.clear();
  bpf_link* link = bpf_program__attach(program);
  if (link != nullptr) return link;
  return Failure(errno, fmt::format("attach {}", bpf_program__name(program)));
}

absl::Status BpfObject::Attach() {
  for (const bpf_program* program : selected_) {
    ASSIGN_OR_RETURN(bpf_link* const link, AttachProgram(program));
    links_.push_back(link);
  }
  return absl::OkStatus();
}

absl::Status BpfObject::SetAttached(std::string_view name, bool attached) {
  for (size_t i = 0; i < links_.size(); ++i) {
    if (name != bpf_program__name(selected_[i])) continue;
    if (attached == (links_[i] != nullptr)) return absl::OkStatus();
    if (!attached) {
      bpf_link__destroy(std::exchange(links_[i], nullptr));
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(links_[i], AttachProgram(selected_[i]));
    return absl::OkStatus();
  }
  return Internal(fmt::format("{}: {} was not attached", name_, name));
}

absl::StatusOr<bpf_link*> BpfObject::AttachTo(const std::string& name, int fd) {
  last_complaint.clear();
  const bpf_program* program = bpf_object__find_program_by_name(object_, name.c_str());
  bpf_link* link = program == nullptr ? nullptr : bpf_program__attach_perf_event(program, fd);
  if (link != nullptr) return link;
  const int error = program == nullptr ? ENOENT : errno;
  close(fd);
  return Failure(error, fmt::format("attach {}", name));
}

absl::StatusOr<std::span<std::byte>> BpfObject::Tunable(std::string_view name) const {
  const auto variable = tunable_variables_.find(name);
  if (variable == tunable_variables_.end()) {
    return InvalidArgument(fmt::format("{}: no tunable {}", name_, name));
  }
  return std::span(tunables_ + variable->second.offset, variable->second.bytes);
}

absl::Status BpfObject::SetTunable(std::string_view name, uint64_t value) {
  ASSIGN_OR_RETURN(const std::span<std::byte> place, Tunable(name));
  return Store(place.data(), static_cast<uint32_t>(place.size()), value, name);
}

absl::Status BpfObject::SetTunable(std::string_view name, size_t index,
                                   std::span<const std::byte> value) {
  ASSIGN_OR_RETURN(const std::span<std::byte> place, Tunable(name));
  if ((index + 1) * value.size() > place.size()) {
    return InvalidArgument(fmt::format("{}: no element {} of {} bytes", name, index, value.size()));
  }
  std::copy(value.begin(), value.end(), place.begin() + index * value.size());
  // What is written after it is seen after it.
  std::atomic_thread_fence(std::memory_order_release);
  return absl::OkStatus();
}

int BpfObject::MapFd(const std::string& map) const {
  return bpf_object__find_map_fd_by_name(object_, map.c_str());
}

absl::StatusOr<int> BpfObject::OpenIterator(std::string_view program) const {
  for (size_t i = 0; i < links_.size(); ++i) {
    if (program != bpf_program__name(selected_[i])) continue;
    const int fd = bpf_iter_create(bpf_link__fd(links_[i]));
    return fd >= 0 ? absl::StatusOr<int>(fd)
                   : ErrnoStatus(errno, fmt::format("{}: run iterator {}", name_, program));
  }
  return Internal(fmt::format("{}: iterator {} is not attached", name_, program));
}

EmitCounts BpfObject::Counts(uint32_t index) const {
  std::vector<emit_counters> cpus(PossibleCpus());
  EmitCounts sum;
  if (bpf_map_lookup_elem(MapFd("counters"), &index, cpus.data()) != 0) return sum;
  for (const emit_counters& cpu : cpus) {
    sum.emitted += cpu.emitted;
    sum.refused += cpu.refused;
    sum.ring_full += cpu.ring_full;
  }
  return sum;
}

void BpfObject::AddPrograms(std::vector<ProgramRef>& programs) const {
  for (const bpf_program* program : selected_) {
    programs.push_back({bpf_program__name(program), bpf_program__fd(program)});
  }
}

uint64_t BpfObject::MeasureMaps() const {
  uint64_t bytes = 0;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_) {
    const bool shared =
        std::find(shared_.begin(), shared_.end(), bpf_map__name(map)) != shared_.end();
    if (!shared) bytes += MapMemory(bpf_map__fd(map));
  }
  return bytes;
}

int PossibleCpus() {
  static const int count = std::max(1, libbpf_num_possible_cpus());
  return count;
}

uint64_t MapMemory(int map_fd) {
  constexpr std::string_view kKey = "memlock:\t";
  const auto info = Root().Read(fmt::format("/proc/self/fdinfo/{}", map_fd));
  const size_t key = info.ok() ? info->find(kKey) : std::string::npos;
  if (key == std::string::npos) return 0;
  uint64_t value = 0;
  std::from_chars(info->data() + key + kKey.size(), info->data() + info->size(), value);
  return value;
}

}  // namespace huatuo
