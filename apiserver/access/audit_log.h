// Who changed what: a line of JSON for each change that was asked for through the API, also for one
// that was refused. A line never holds a token or the body of a request.
//
//   {"time":"2026-11-21T01:23:45.678901234Z","token":"alice","role":"operator",
//    "address":"10.0.0.7","method":"DELETE","route":"/api/v1/tasks/{id}",
//    "target":"/api/v1/tasks/0193…","status":200}
//
// `created` is the Location of a reply that has one. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "apiserver/access/role.h"
#include "common/clock.h"

namespace prometheus {
class Registry;
}

namespace huatuo {

struct AuditRecord {
  Caller caller = {};
  std::string address = {};
  std::string method = {};
  std::string route = {};
  std::string target = {};
  int status = 0;
  std::string created = {};  // empty: nothing
};

// The record as a line, with its end.
std::string AuditLine(const AuditRecord& record, int64_t wall_ns);

class AuditLog {
 public:
  // To the end of the file at `path`, which is made for its owner alone and opened anew for each
  // line, so that it may be moved away; without a path, to the log. Both must outlive this object.
  AuditLog(std::string path, const Clock& clock, prometheus::Registry& registry);
  ~AuditLog();

  // What cannot be written is logged and counted.
  void Write(const AuditRecord& record);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
