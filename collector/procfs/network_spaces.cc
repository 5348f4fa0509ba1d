#include "collector/procfs/network_spaces.h"

#include <unistd.h>

#include <algorithm>

#include "collector/enrich/processes.h"
#include "collector/procfs/group_folder.h"
#include "collector/procfs/scan.h"

namespace huatuo {
namespace {

// From the link's text, "net:[4026531840]"; 0: the process ended, or we may not look.
uint64_t InodeOf(const Root& root, const std::string& process) {
  char text[64];
  const std::string path = root.prefix() + process + "/ns/net";
  const ssize_t size = readlink(path.c_str(), text, sizeof(text));
  if (size <= 0) return 0;
  const std::string_view link(text, static_cast<size_t>(size));
  uint64_t inode = 0;
  if (!link.starts_with("net:[") || !link.ends_with(']')) return 0;
  return ParseNumber(link.substr(5, link.size() - 6), inode) ? inode : 0;
}

}  // namespace

NetworkSpaces::NetworkSpaces(const Root& root, Context& context)
    : root_(root),
      context_(context),
      hierarchies_(ReadHierarchies(root).value_or(std::vector<Hierarchy>())) {
  // Process 1 may have capabilities that we lack; then our own network stands for the host's, which
  // is where a collector runs.
  host_ = InodeOf(root, "/proc/1");
  if (host_ == 0) host_ = InodeOf(root, "/proc/self");
}

void NetworkSpaces::OnContainers() { changed_ = true; }

void NetworkSpaces::Find(Member& member) {
  member.inode = 0;
  const auto pid = AnyProcessOf(root_, member.folder);
  if (!pid) return;
  member.process = "/proc/" + std::to_string(*pid);
  member.inode = InodeOf(root_, member.process);
}

void NetworkSpaces::Group() {
  spaces_.clear();
  for (const Member& member : members_) {
    if (member.inode == 0 || member.inode == host_) continue;
    const auto known =
        std::ranges::find_if(spaces_, [&](const Space& s) { return s.inode == member.inode; });
    if (known == spaces_.end()) {
      spaces_.push_back({member.container, member.process, member.inode});
    } else if (!member.container.pod_uid().empty() &&
               member.container.pod_uid() == known->owner.pod_uid()) {
      v1::Container pod;
      pod.set_pod_uid(member.container.pod_uid());
      pod.set_qos(member.container.qos());
      pod.set_type("pod");
      known->owner = std::move(pod);
    }
  }
}

std::span<const NetworkSpaces::Space> NetworkSpaces::Look() {
  bool moved = std::exchange(changed_, false);
  if (moved) {
    members_.clear();
    for (const LiveContainer& live : context_.LiveContainers()) {
      if (live.container.type() != "container") continue;
      const GroupFolder group = FolderOf(context_, hierarchies_, live, "cpu");
      if (!group.path.empty()) members_.push_back({live.container, group.path, {}, 0});
    }
  }
  for (Member& member : members_) {
    const uint64_t before = member.inode;
    if (before != 0 && InodeOf(root_, member.process) == before) continue;
    Find(member);
    moved = moved || member.inode != before;
  }
  if (moved) Group();
  return spaces_;
}

}  // namespace huatuo
