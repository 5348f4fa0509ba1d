#include "collector/enrich/networks.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "collector/enrich/processes.h"

namespace huatuo {
namespace {

constexpr int64_t kFreshNs = 5'000'000'000;
constexpr int64_t kMissNs = 1'000'000'000;

// From the link's text, "net:[4026531840]".
std::optional<uint64_t> InodeOfProcess(const Root& root, std::string_view pid) {
  std::error_code error;
  const std::string text =
      std::filesystem::read_symlink(root.Path(fmt::format("/proc/{}/ns/net", pid)), error).string();
  const size_t bracket = text.find('[');
  uint64_t inode = 0;
  if (error || bracket == std::string::npos) return std::nullopt;
  std::from_chars(text.data() + bracket + 1, text.data() + text.size(), inode);
  return inode == 0 ? std::nullopt : std::optional(inode);
}

std::optional<uint64_t> InodeOfContainer(const Root& root, const Container& container) {
  for (const Container::Folder& folder : container.folders) {
    const auto pid = AnyProcessOf(root, folder.path);
    if (pid) return InodeOfProcess(root, std::to_string(*pid));
  }
  return std::nullopt;
}

std::shared_ptr<const Container> PodOf(const Container& container) {
  auto pod = std::make_shared<Container>();
  pod->pod_uid = container.pod_uid;
  pod->qos = container.qos;
  pod->type = "pod";
  return pod;
}

}  // namespace

void Networks::Add(uint64_t inode, const std::shared_ptr<const Container>& container) {
  const auto [owner, is_new] = owners_.try_emplace(inode, container);
  if (is_new || owner->second == nullptr) return;
  const bool same_pod = !container->pod_uid.empty() && container->pod_uid == owner->second->pod_uid;
  owner->second = same_pod ? PodOf(*container) : nullptr;
}

void Networks::Refresh(int64_t max_age_ns) {
  const int64_t now = clock_.BootNs();
  if (looked_ns_ && now - *looked_ns_ < max_age_ns) return;
  looked_ns_ = now;
  owners_.clear();
  inodes_.clear();
  // Process 1 may have capabilities that we lack; then our own network stands for the host's, which
  // is where a collector runs.
  std::optional<uint64_t> host = InodeOfProcess(root_, "1");
  if (!host) host = InodeOfProcess(root_, "self");
  if (!host) return;
  for (const std::shared_ptr<const Container>& container : containers_.Live()) {
    if (container->type != "container") continue;
    const std::optional<uint64_t> inode = InodeOfContainer(root_, *container);
    if (!inode || *inode == *host) continue;
    inodes_[container->container_id] = *inode;
    Add(*inode, container);
  }
}

std::shared_ptr<const Container> Networks::Find(uint64_t inode) {
  const std::lock_guard lock(mutex_);
  Refresh(kFreshNs);
  if (!owners_.contains(inode)) Refresh(kMissNs);
  const auto owner = owners_.find(inode);
  return owner == owners_.end() ? nullptr : owner->second;
}

std::optional<uint64_t> Networks::InodeOf(const std::string& container_id) {
  const std::lock_guard lock(mutex_);
  Refresh(kFreshNs);
  if (!inodes_.contains(container_id)) Refresh(kMissNs);
  const auto inode = inodes_.find(container_id);
  if (inode == inodes_.end()) return std::nullopt;
  return inode->second;
}

}  // namespace huatuo
