// The configuration in force, its versions, and what each node makes of it.
//
// The store has the newest version in one fact, which a change takes the place of only when nobody
// else has changed it meanwhile: several apiservers may share it. Each looks for changes of the
// others twice a second, and tells its own nodes. A node is told when it connects and after each
// change, and answers which units it refuses (NodeState::configured). Thread-safe.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apiserver/config/document.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/store/store.h"
#include "common/clock.h"

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace huatuo {

// What a node has made of the configuration in force.
enum class ConfigState {
  kPending,  // it has not answered yet, or it is not connected
  kApplied,
  kRefused,  // some units: NodeState::configured says which and why
};
std::string_view ConfigStateName(ConfigState state);
// Of a node, when the version `number` is in force.
ConfigState ConfigStateOf(const NodeState& node, uint64_t number);

class LiveConfig {
 public:
  static constexpr uint64_t kKept = 100;  // versions that can be read and returned to

  struct Version {
    uint64_t number = 0;  // 0: nobody has configured anything
    int64_t created_ns = 0;
    std::string comment;
    ConfigDocument document;
  };
  // Which version, with its document as it is read.
  static boost::json::object Json(const Version& version);

  // Loads the newest version. All must outlive the object.
  static absl::StatusOr<std::unique_ptr<LiveConfig>> Start(FactStore& facts, Nodes& nodes,
                                                           const Clock& clock,
                                                           prometheus::Registry& registry);
  ~LiveConfig();

  std::shared_ptr<const Version> current() const;
  // The newest first.
  absl::StatusOr<std::vector<Version>> Versions() const;
  absl::StatusOr<std::optional<Version>> Find(uint64_t number) const;

  struct Changed {
    Objection refusal = {};
    absl::Status status = absl::OkStatus();
  };
  // A new version: {"defaults", "overrides", "comment", "version"}; with "version",
  // FailedPrecondition unless that is the newest. It is in force, and on its way to the nodes, when
  // this returns.
  Changed Replace(const boost::json::value& body);
  // A new version with the document of an older one. NotFound when that is not kept.
  absl::Status RollBack(uint64_t number);

 private:
  struct State;
  explicit LiveConfig(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
