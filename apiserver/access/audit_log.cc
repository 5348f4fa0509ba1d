#include "apiserver/access/audit_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <mutex>
#include <utility>

#include "common/document.h"
#include "common/log.h"
#include "common/status.h"

namespace huatuo {
namespace {

absl::Status AppendLine(const std::string& path, const std::string& line) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, path);
  const ssize_t written = write(fd, line.data(), line.size());
  const int error = written < 0 ? errno : ENOSPC;
  close(fd);
  return written == static_cast<ssize_t>(line.size()) ? absl::OkStatus() : ErrnoStatus(error, path);
}

prometheus::Counter& Counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

struct AuditLog::State {
  const std::string path;
  const Clock& clock;
  prometheus::Counter& records;
  prometheus::Counter& lost;
  std::mutex mutex = {};
};

std::string AuditLine(const AuditRecord& record, int64_t wall_ns) {
  boost::json::object line{{"time", Rfc3339(wall_ns)},
                           {"token", nullptr},
                           {"role", std::string(RoleName(record.caller.role))},
                           {"address", record.address},
                           {"method", record.method},
                           {"route", record.route},
                           {"target", record.target},
                           {"status", record.status}};
  if (!record.caller.name.empty()) line["token"] = record.caller.name;
  if (!record.created.empty()) line["created"] = record.created;
  return boost::json::serialize(line) + "\n";
}

AuditLog::AuditLog(std::string path, const Clock& clock, prometheus::Registry& registry)
    : state_(new State{std::move(path), clock,
                       Counter(registry, "huatuo_apiserver_audit_records_total",
                               "Changes that were asked for through the API."),
                       Counter(registry, "huatuo_apiserver_audit_lost_total",
                               "Of those, the ones whose record could not be written.")}) {}

AuditLog::~AuditLog() = default;

void AuditLog::Write(const AuditRecord& record) {
  const std::string line = AuditLine(record, state_->clock.WallNs());
  state_->records.Increment();
  if (state_->path.empty()) return LogInfo("audit: " + line.substr(0, line.size() - 1));
  const std::lock_guard lock(state_->mutex);
  const absl::Status status = AppendLine(state_->path, line);
  if (status.ok()) return;
  state_->lost.Increment();
  LogError(
      fmt::format("audit_file: {}: lost: {}", Message(status), line.substr(0, line.size() - 1)));
}

}  // namespace huatuo
