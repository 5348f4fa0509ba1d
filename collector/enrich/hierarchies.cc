#include "collector/enrich/hierarchies.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <sstream>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// A host with thousands of containers has a mountinfo of some MiB.
constexpr size_t kMountInfoLimit = 32 << 20;

constexpr std::array<std::string_view, 6> kWanted = {"cpu",    "cpuacct", "cpuset",
                                                     "memory", "blkio",   "name=systemd"};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(std::move(part));
  return parts;
}

// mountinfo writes space, tab, newline and backslash as \040 and the like.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i] + 4, value, 8).ptr == &text[i] + 4) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The kernel writes absolute paths without "." and "..": with them a captured tree would lead out
// of its folder, into all files of this machine. And without zeros: whatever is below one is the
// folder above it again.
bool IsMountPoint(const std::string& path) {
  if (!path.starts_with('/') || path.find('\0') != std::string::npos) return false;
  const auto parts = Split(path, '/');
  return std::none_of(parts.begin(), parts.end(),
                      [](const auto& part) { return part == "." || part == ".."; });
}

struct Mount {
  std::string type;
  std::string root;
  std::string point;
  std::vector<std::string> options;  // of the file system: the controllers are among them
};

// id parent major:minor root point options [optional...] - type source options
std::optional<Mount> ParseMount(const std::string& line) {
  const size_t dash = line.find(" - ");
  if (dash == std::string::npos) return std::nullopt;
  const auto left = Split(line.substr(0, dash), ' ');
  const auto right = Split(line.substr(dash + 3), ' ');
  if (left.size() < 5 || right.size() < 3) return std::nullopt;
  Mount mount{right[0], Unescape(left[3]), Unescape(left[4]), Split(right[2], ',')};
  if (!IsMountPoint(mount.point)) return std::nullopt;
  return mount;
}

// The v1 lines of /proc/<pid>/cgroup: "4:memory:/path".
std::vector<Hierarchy> ParseV1(const std::string& text) {
  std::vector<Hierarchy> found;
  for (const std::string& line : Split(text, '\n')) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos || second == first + 1) continue;
    Hierarchy hierarchy;
    std::from_chars(line.data(), line.data() + first, hierarchy.id);
    hierarchy.controllers = Split(line.substr(first + 1, second - first - 1), ',');
    const bool wanted = std::any_of(kWanted.begin(), kWanted.end(),
                                    [&](std::string_view name) { return hierarchy.Has(name); });
    if (wanted && hierarchy.id != 0) found.push_back(std::move(hierarchy));
  }
  return found;
}

bool Matches(const Mount& mount, const Hierarchy& hierarchy) {
  if (hierarchy.id == 0) return mount.type == "cgroup2";
  return mount.type == "cgroup" &&
         std::any_of(mount.options.begin(), mount.options.end(),
                     [&](const std::string& option) { return hierarchy.Has(option); });
}

void Offer(const Mount& mount, Hierarchy& hierarchy) {
  std::string mount_root = mount.root == "/" ? "" : mount.root;
  if (!hierarchy.mount_point.empty() && hierarchy.mount_root.size() <= mount_root.size()) return;
  hierarchy.mount_point = mount.point;
  hierarchy.mount_root = std::move(mount_root);
}

}  // namespace

bool Hierarchy::Has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

absl::StatusOr<std::vector<Hierarchy>> ReadHierarchies(const Root& root) {
  const std::string process = root.prefix().empty() ? "/proc/self/" : "/proc/1/";
  ASSIGN_OR_RETURN(const std::string cgroups, root.Read(process + "cgroup"));
  ASSIGN_OR_RETURN(const std::string mounts, root.Read(process + "mountinfo", kMountInfoLimit));
  std::vector<Hierarchy> found = ParseV1(cgroups);
  found.insert(found.begin(), Hierarchy{});
  for (const std::string& line : Split(mounts, '\n')) {
    const auto mount = ParseMount(line);
    if (!mount || !mount->type.starts_with("cgroup")) continue;
    for (Hierarchy& hierarchy : found) {
      if (Matches(*mount, hierarchy)) Offer(*mount, hierarchy);
    }
  }
  std::erase_if(found, [](const Hierarchy& hierarchy) { return hierarchy.mount_point.empty(); });
  if (found.empty()) return NotFound("cgroup: no hierarchy is mounted");
  return found;
}

}  // namespace huatuo
