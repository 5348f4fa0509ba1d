#include "collector/enrich/cgroup_path.h"

#include <algorithm>
#include <array>
#include <utility>

namespace huatuo {
namespace {

constexpr size_t kMaxPath = 4096;  // PATH_MAX
constexpr size_t kIdLength = 64;
constexpr size_t kMaxName = 255;  // NAME_MAX, also systemd's limit of a unit name

// Prefix of a folder's name -> runtime.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kPrefixes = {{
    {"docker", "docker"},
    {"cri-containerd", "containerd"},
    {"containerd", "containerd"},
    {"nerdctl", "containerd"},
    {"crio", "crio"},
    {"libpod", "podman"},
    {"kata", "kata"},
    {"isulad", "isulad"},
}};

// Name of the folder around a bare id -> runtime. Below kubepods the path does not tell.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kParents = {{
    {"docker", "docker"},
    {"k8s.io", "containerd"},
    {"moby", "docker"},
    {"default", "containerd"},
    {"ecs", "docker"},
}};

template <typename Table>
std::string_view Look(const Table& table, std::string_view key, std::string_view otherwise) {
  for (const auto& [name, value] : table) {
    if (name == key) return value;
  }
  return otherwise;
}

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(std::string_view text) { return text.size() == kIdLength && IsHex(text); }

bool IsAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ConsistsOf(std::string_view text, std::string_view others) {
  return !text.empty() && text.size() <= kMaxName &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return IsAlnum(c) || others.find(c) != std::string_view::npos;
         });
}

bool EatSuffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

// "pod<uid>" -> uid with dashes, or "". systemd writes a dash as '_', since '-' separates slices.
std::string PodUid(std::string_view text) {
  if (!text.starts_with("pod")) return "";
  std::string uid(text.substr(3));
  std::replace(uid.begin(), uid.end(), '_', '-');
  if (uid.size() == 32 && IsHex(uid)) return uid;
  if (uid.size() != 36) return "";
  for (size_t i = 0; i < uid.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? uid[i] != '-' : !IsHex(std::string_view(&uid[i], 1))) return "";
  }
  return uid;
}

struct Container {
  std::string_view id;
  std::string_view runtime;
};

// "<runtime>-<id>"; the monitor of a container ("crio-conmon-<id>") has its id and is outside it.
std::optional<Container> PrefixedContainer(std::string_view text, bool scope) {
  if (text.size() < kIdLength + 2) return std::nullopt;
  const std::string_view id = text.substr(text.size() - kIdLength);
  std::string_view prefix = text.substr(0, text.size() - kIdLength);
  if (!IsId(id) || (!prefix.ends_with('-') && !prefix.ends_with('_'))) return std::nullopt;
  prefix.remove_suffix(1);
  if (prefix.ends_with("conmon")) return std::nullopt;
  const std::string_view runtime = Look(kPrefixes, prefix, "");
  if (runtime.empty() && (!scope || !ConsistsOf(prefix, "-_."))) return std::nullopt;
  return Container{id, runtime.empty() ? prefix : runtime};
}

// "<slice>:<prefix>:<id>": a path that was meant for the systemd driver, with the cgroupfs driver.
std::optional<Container> ColonContainer(std::string_view text) {
  const size_t second = text.rfind(':');
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const size_t first = text.rfind(':', second - 1);
  const std::string_view id = text.substr(second + 1);
  if (first == std::string_view::npos || !IsId(id)) return std::nullopt;
  return Container{id, Look(kPrefixes, text.substr(first + 1, second - first - 1), "")};
}

// Reads a path folder by folder, from the root.
class Reader {
 public:
  void Read(std::string_view folder, size_t end);
  std::optional<ContainerName> Finish() &&;

 private:
  void ReadSlice(std::string_view folder);
  void ReadService(std::string_view folder);
  std::optional<Container> FindContainer(std::string_view folder) const;
  void Enter(const Container& container);
  void EnterPod(const std::string& uid);
  void JoinPod();
  void Own(std::string_view type);

  ContainerName name_;
  std::string pod_uid_;
  std::string_view pod_qos_;
  std::string_view qos_;
  std::string_view parent_;
  size_t depth_ = 0;
  size_t end_ = 0;
  bool kubepods_ = false;
};

void Reader::Own(std::string_view type) {
  name_.type = type;
  name_.folder_length = end_;
}

// Of pods inside one another the cluster knows the outermost only. A folder inside a container does
// not change the container; its name may say what it likes.
void Reader::EnterPod(const std::string& uid) {
  if (!pod_uid_.empty()) return;
  pod_uid_ = uid;
  pod_qos_ = qos_;
  if (name_.type != "container") {
    Own("pod");
    JoinPod();
  }
}

void Reader::JoinPod() {
  name_.pod_uid = pod_uid_;
  name_.qos = pod_uid_.empty() ? qos_ : pod_qos_;
}

// Both drivers: "kubepods-burstable-pod<uid>.slice" holds at once what the cgroupfs driver spreads
// over "kubepods", "burstable" and "pod<uid>".
void Reader::ReadSlice(std::string_view folder) {
  std::string_view text = folder.substr(0, folder.find(':'));
  EatSuffix(text, ".slice");
  while (!text.empty()) {
    const bool pod = kubepods_ && text.starts_with("pod");
    const std::string_view word = pod ? text : text.substr(0, text.find('-'));
    if (word == "kubepods") {
      kubepods_ = true;
      qos_ = "guaranteed";
    } else if (kubepods_ && (word == "burstable" || word == "besteffort")) {
      qos_ = word;
    } else if (const std::string uid = pod ? PodUid(word) : ""; !uid.empty()) {
      EnterPod(uid);
    }
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
}

void Reader::ReadService(std::string_view folder) {
  if (name_.type == "container" || name_.type == "pod") return;
  if (!folder.ends_with(".service") || !ConsistsOf(folder, ":-_.\\@")) return;
  const bool in_user = name_.name.starts_with("user@") && name_.name.find('/') == std::string::npos;
  if (name_.type == "service" && !in_user) return;
  name_.name = in_user ? name_.name + "/" + std::string(folder) : std::string(folder);
  name_.runtime = "systemd";
  Own("service");
}

std::optional<Container> Reader::FindContainer(std::string_view folder) const {
  std::string_view text = folder;
  const bool scope = EatSuffix(text, ".scope");
  if (auto found = PrefixedContainer(text, scope)) return found;
  if (auto found = ColonContainer(text)) return found;
  // Podman's own name for a pod is a bare id too.
  if (!scope && IsId(text) && parent_ != "libpod_parent") {
    return Container{text, Look(kParents, parent_, "")};
  }
  const bool named = depth_ == 1 && (parent_ == "default" || parent_ == "k8s.io");
  if (named && ConsistsOf(text, "-_.")) return Container{text, "containerd"};
  return std::nullopt;
}

void Reader::Enter(const Container& container) {
  name_.outer_id = std::exchange(name_.container_id, std::string(container.id));
  name_.runtime = container.runtime;
  name_.name.clear();
  Own("container");
  JoinPod();
}

void Reader::Read(std::string_view folder, size_t end) {
  end_ = end;
  if (folder == ".." || folder == ".") return;
  ReadSlice(folder);
  if (const auto container = FindContainer(folder)) {
    Enter(*container);
  } else {
    ReadService(folder);
  }
  parent_ = folder;
  ++depth_;
}

std::optional<ContainerName> Reader::Finish() && {
  if (name_.type.empty()) return std::nullopt;
  return std::move(name_);
}

}  // namespace

std::optional<ContainerName> ParseCgroupPath(std::string_view path) {
  if (path.size() > kMaxPath) return std::nullopt;
  Reader reader;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) reader.Read(path.substr(begin, end - begin), end);
    begin = end + 1;
  }
  return std::move(reader).Finish();
}

}  // namespace huatuo
