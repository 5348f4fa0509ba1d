#include "collector/enrich/kallsyms.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "common/status.h"

namespace huatuo {
namespace {

constexpr int64_t kReloadNs = 60'000'000'000;
constexpr int64_t kModulesNs = 1'000'000'000;

// No function is larger; an address further from the last symbol before it is in none we know.
constexpr uint64_t kMaxFunction = 1 << 20;

// A kernel with everything built in has a third of it; a bound for a file that is no kallsyms.
constexpr size_t kMaxSymbols = 1'000'000;

struct Line {
  uint64_t address = 0;
  std::string_view name;  // "name" or "name\t[module]", as in the file
};

// "ffffffff81000000 T _stext", for functions. Padding before functions (call depth tracking,
// kCFI) has symbols of its own, as many as there are functions, and never runs.
std::optional<Line> ParseLine(std::string_view text) {
  Line line;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, line.address, 16);
  if (error != std::errc() || end - at < 4) return std::nullopt;
  if (std::string_view("tTwW").find(at[1]) == std::string_view::npos) return std::nullopt;
  line.name = std::string_view(at + 3, static_cast<size_t>(end - at - 3));
  if (line.name.starts_with("__pfx_") || line.name.starts_with("__cfi_")) return std::nullopt;
  return line;
}

// Where a module's memory lies. Since 6.4 it is in several pieces, and the kernel tells the first
// one and the size of all: the end is then not exact.
struct Module {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool operator==(const Module&) const = default;
};

// "nf_tables 253952 1 nft_ct, Live 0xffffffffc0a00000", sorted by address; none where addresses
// are hidden.
std::vector<Module> ReadModules(const Root& root) {
  std::vector<Module> modules;
  std::ifstream file(root.Path("/proc/modules"));
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string skipped;
    uint64_t size = 0;
    std::string address;
    line >> skipped >> size >> skipped >> skipped >> skipped >> address;
    const uint64_t begin = std::strtoull(address.c_str(), nullptr, 16);
    if (line && begin != 0) modules.push_back({begin, begin + size});
  }
  std::sort(modules.begin(), modules.end(),
            [](const Module& a, const Module& b) { return a.begin < b.begin; });
  return modules;
}

}  // namespace

// Sorted by address. Where several names share one, the first of the file is kept, as the kernel
// does in its own messages.
class Kallsyms::Table {
 public:
  void Add(const Line& line) {
    raw_.push_back({line.address, static_cast<uint32_t>(names_.size())});
    names_.append(line.name).push_back('\0');
  }
  void Finish(std::vector<Module> modules);
  const std::vector<Module>& modules() const { return modules_; }

  struct Symbol {
    std::string_view name;    // as in the file
    std::string_view module;  // "[nf_tables]"; empty: the kernel's own
    uint64_t offset = 0;
  };
  std::optional<Symbol> Find(uint64_t address) const;
  std::optional<CodeRange> Find(std::string_view function) const;

  size_t size() const { return low_.size() + raw_.size(); }
  size_t bytes() const {
    return names_.capacity() + (low_.capacity() + name_.capacity()) * sizeof(uint32_t);
  }

 private:
  struct Raw {
    uint64_t address;
    uint32_t name;
  };
  // The symbols from `first` on have this upper half, until the next Section.
  struct Section {
    uint32_t high;
    size_t first;
  };

  bool PastModule(uint64_t symbol, uint64_t address) const;

  std::vector<Raw> raw_;  // until Finish
  std::vector<Module> modules_;
  std::vector<Section> sections_;
  std::vector<uint32_t> low_;
  std::vector<uint32_t> name_;  // where it begins in names_
  std::string names_;           // each ended by \0
};

void Kallsyms::Table::Finish(std::vector<Module> modules) {
  modules_ = std::move(modules);
  std::stable_sort(raw_.begin(), raw_.end(),
                   [](const Raw& a, const Raw& b) { return a.address < b.address; });
  raw_.erase(std::unique(raw_.begin(), raw_.end(),
                         [](const Raw& a, const Raw& b) { return a.address == b.address; }),
             raw_.end());
  low_.reserve(raw_.size());
  name_.reserve(raw_.size());
  for (const Raw& raw : raw_) {
    const auto high = static_cast<uint32_t>(raw.address >> 32);
    if (sections_.empty() || sections_.back().high != high)
      sections_.push_back({high, low_.size()});
    low_.push_back(static_cast<uint32_t>(raw.address));
    name_.push_back(raw.name);
  }
  raw_ = {};
  names_.shrink_to_fit();
}

// Whether a module that has the symbol ends before the address.
bool Kallsyms::Table::PastModule(uint64_t symbol, uint64_t address) const {
  const auto after =
      std::upper_bound(modules_.begin(), modules_.end(), symbol,
                       [](uint64_t value, const Module& module) { return value < module.begin; });
  if (after == modules_.begin()) return false;
  const Module& module = *std::prev(after);
  return symbol < module.end && address >= module.end;
}

std::optional<Kallsyms::Table::Symbol> Kallsyms::Table::Find(uint64_t address) const {
  const auto high = static_cast<uint32_t>(address >> 32);
  const auto section = std::find_if(sections_.begin(), sections_.end(),
                                    [&](const Section& each) { return each.high == high; });
  if (section == sections_.end()) return std::nullopt;
  const auto next = std::next(section);
  const auto begin = low_.begin() + static_cast<ptrdiff_t>(section->first);
  const auto end =
      next == sections_.end() ? low_.end() : low_.begin() + static_cast<ptrdiff_t>(next->first);
  const auto after = std::upper_bound(begin, end, static_cast<uint32_t>(address));
  if (after == begin) return std::nullopt;
  const auto index = static_cast<size_t>(after - low_.begin()) - 1;
  const uint64_t offset = static_cast<uint32_t>(address) - low_[index];
  if (offset >= kMaxFunction || PastModule(address - offset, address)) return std::nullopt;
  const std::string_view text = &names_[name_[index]];
  const size_t tab = text.find('\t');
  const bool module = tab != std::string_view::npos;
  return Symbol{text.substr(0, tab), module ? text.substr(tab + 1) : "", offset};
}

std::optional<CodeRange> Kallsyms::Table::Find(std::string_view function) const {
  for (size_t i = 0; i + 1 < low_.size(); ++i) {
    if (names_.compare(name_[i], function.size(), function) != 0) continue;
    const char after_name = names_[name_[i] + function.size()];
    if (after_name != '\0' && after_name != '\t') continue;
    const uint32_t bytes = low_[i + 1] - low_[i];
    const auto after = std::upper_bound(
        sections_.begin(), sections_.end(), i,
        [](size_t value, const Section& section) { return value < section.first; });
    // The last of its section has no end that is known.
    if (bytes >= kMaxFunction || (after != sections_.end() && after->first == i + 1)) break;
    return CodeRange{uint64_t{std::prev(after)->high} << 32 | low_[i], bytes};
  }
  return std::nullopt;
}

Kallsyms::Kallsyms(const Root& root, const Clock& clock) : root_(root), clock_(clock) {}
Kallsyms::~Kallsyms() = default;

absl::Status Kallsyms::Load(const Root& root, Table& table) {
  std::ifstream file(root.Path("/proc/kallsyms"));
  if (!file) return Unavailable("read /proc/kallsyms: cannot be opened");
  bool shown = false;
  for (std::string text; table.size() < kMaxSymbols && std::getline(file, text);) {
    const auto line = ParseLine(text);
    if (!line) continue;
    shown = shown || line->address != 0;
    table.Add(*line);
  }
  if (!shown) {
    table = Table();
    return FailedPrecondition("read /proc/kallsyms: addresses are hidden (kernel.kptr_restrict)");
  }
  table.Finish(ReadModules(root));
  return absl::OkStatus();
}

std::shared_ptr<const Kallsyms::Table> Kallsyms::LoadLocked() {
  auto table = std::make_shared<Table>();
  status_ = Load(root_, *table);
  loaded_ns_ = clock_.BootNs();
  modules_ns_ = loaded_ns_;
  table_ = std::move(table);
  return table_;
}

std::shared_ptr<const Kallsyms::Table> Kallsyms::Current() {
  const std::lock_guard lock(mutex_);
  return table_ == nullptr ? LoadLocked() : table_;
}

// A table that may know better than `table`, null when there is none: `known` says that it has a
// name, which is another's if the module that had the address has gone.
std::shared_ptr<const Kallsyms::Table> Kallsyms::Newer(const std::shared_ptr<const Table>& table,
                                                       bool known) {
  const std::lock_guard lock(mutex_);
  if (table != table_) return table_;
  if (!status_.ok()) return nullptr;
  const int64_t now = clock_.BootNs();
  if (!known && now - loaded_ns_ >= kReloadNs) return LoadLocked();
  if (now - modules_ns_ < kModulesNs) return nullptr;
  modules_ns_ = now;
  return ReadModules(root_) == table_->modules() ? nullptr : LoadLocked();
}

std::string Kallsyms::Name(uint64_t address) {
  auto table = Current();
  auto symbol = table->Find(address);
  if (!symbol || !symbol->module.empty()) {
    if (auto newer = Newer(table, symbol.has_value())) {
      table = std::move(newer);
      symbol = table->Find(address);
    }
  }
  if (!symbol) return fmt::format("{:#x}", address);
  return fmt::format("{}+{:#x}{}{}", symbol->name, symbol->offset,
                     symbol->module.empty() ? "" : " ", symbol->module);
}

std::optional<CodeRange> Kallsyms::Find(std::string_view function) {
  return Current()->Find(function);
}

absl::Status Kallsyms::Ready() {
  Current();
  const std::lock_guard lock(mutex_);
  return status_;
}

void Kallsyms::Reload() {
  const std::lock_guard lock(mutex_);
  LoadLocked();
}

size_t Kallsyms::symbols() { return Current()->size(); }
size_t Kallsyms::bytes() { return Current()->bytes(); }

}  // namespace huatuo
