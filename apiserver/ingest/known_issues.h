// The rules in force, and how often each has matched.
//
// Rules are asked in their order; the first that matches decides. Every event is counted by it,
// also one that is then silenced. Thread-safe; the rules can be replaced at any time.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "apiserver/ingest/known_issue_rules.h"
#include "apiserver/store/store.h"

namespace prometheus {
class Counter;
class Registry;
template <typename T>
class Family;
}  // namespace prometheus

namespace huatuo {

class KnownIssues {
 public:
  // Both must outlive the object.
  KnownIssues(FactStore& facts, prometheus::Registry& registry);

  // Takes the rules of `file`, which replace those in the store; without a file those of the store.
  absl::Status Load(const std::string& file);

  // Takes what another apiserver has put in the store since.
  absl::Status Refresh();

  // In force at once, and kept in the store. The status is the store's; after an error or a refusal
  // the old ones stay.
  struct Replaced {
    Objection refusal;
    absl::Status status;
  };
  Replaced Replace(const boost::json::value& document);

  struct Verdict {
    std::string name;
    bool silence = false;
  };
  // Of a whole event document; nullopt: nobody knows it.
  std::optional<Verdict> Judge(std::string_view document) const;

  // The rules, each with `matched`: events that it knew since the process started.
  boost::json::object Json() const;

 private:
  struct Entry {
    KnownIssueRule rule;
    prometheus::Counter* matched;
  };
  using Entries = std::vector<Entry>;

  std::shared_ptr<const Entries> entries() const;
  void Use(std::vector<KnownIssueRule> rules);

  FactStore& facts_;
  prometheus::Family<prometheus::Counter>& matched_;
  std::mutex replacing_;  // store and memory change together
  std::string kept_;      // what is in the store, as far as we know; with `replacing_`
  mutable std::mutex mutex_;
  std::shared_ptr<const Entries> entries_;
};

}  // namespace huatuo
