// Rules by which events are known already.
//
//   {"items": [{"name": "nfs-server-away", "tracer": "hungtask",
//               "match": {"stack": "nfs_wait_bit_killable", "comm": "^backup"},
//               "action": "label"}]}
//
// `tracer`: of that name only; absent: any. `match`: each field named, of tracer_data or else of
// the document, must contain a match of its expression (RE2 syntax, so that the time is linear in
// the text); a field that is no text is matched as its JSON. `action`: "label" or "silence".
#pragma once

#include <re2/re2.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/refusal.h"

namespace huatuo {

struct KnownIssueRule {
  struct Condition {
    std::string field;
    std::shared_ptr<const RE2> expression;
  };
  std::string name;
  std::string tracer;  // empty: any
  std::vector<Condition> conditions;
  bool silence = false;
};

// All rules or none: `rules` is changed only without a refusal. What was read from the API can be
// given back to it.
Objection ReadRules(const boost::json::value& document, std::vector<KnownIssueRule>& rules);

// One rule, as it is read.
boost::json::object RuleJson(const KnownIssueRule& rule);

// `document` is a whole event document.
bool Matches(const KnownIssueRule& rule, const boost::json::object& document);

}  // namespace huatuo
