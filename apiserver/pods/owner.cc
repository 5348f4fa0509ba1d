#include "apiserver/pods/owner.h"

#include <algorithm>

namespace huatuo {
namespace {

std::string Join(std::string_view kind, std::string_view name) {
  std::string owner(kind);
  return owner.append("/").append(name);
}

// What is before "-<suffix>", or empty.
std::string_view Before(std::string_view name, std::string_view suffix) {
  if (suffix.empty() || name.size() < suffix.size() + 2 || !name.ends_with(suffix)) return {};
  const size_t dash = name.size() - suffix.size() - 1;
  return name[dash] == '-' ? name.substr(0, dash) : std::string_view();
}

// Minutes since 1970 have 8 digits until 2160; before Kubernetes 1.21 it was seconds, with 10.
bool IsSchedule(std::string_view text) {
  return (text.size() == 8 || text.size() == 10) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string OwnerOf(std::string_view kind, std::string_view name, std::string_view template_hash) {
  if (kind.empty() || name.empty() || kind == "Node") return "";
  if (kind == "ReplicaSet") {
    const std::string_view deployment = Before(name, template_hash);
    if (!deployment.empty()) return Join("Deployment", deployment);
  }
  if (kind == "Job") {
    const std::string_view schedule = name.substr(name.rfind('-') + 1);
    const std::string_view cron_job = IsSchedule(schedule) ? Before(name, schedule) : "";
    if (!cron_job.empty()) return Join("CronJob", cron_job);
  }
  return Join(kind, name);
}

}  // namespace huatuo
