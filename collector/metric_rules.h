// Which series a node sends.
//
// A rule is a regular expression for the whole name of a family, and may have one for the whole
// value of a label: `huatuo_node_netdev_.*{device=eth.*}`. A series is sent when an include rule
// names it, or else when no exclude rule does and its family is not on request only. Expressions
// are RE2's: their time is linear in the text.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/unit.h"

namespace huatuo {

struct MetricRuleTexts {
  std::vector<std::string> include = {};
  std::vector<std::string> exclude = {};  // beside kDefaultExcludes
};

// What is many and tells little: the host's side of the containers' devices, whose inside is
// reported with the container, partitions, and of containers what is rare or known from others.
extern const std::span<const std::string_view> kDefaultExcludes;

class MetricRules {
 public:
  // Refuses an expression that is none, or a rule that names no family of `units` or no label of
  // theirs; says which.
  static absl::StatusOr<MetricRules> Make(std::span<const Unit* const> units,
                                          const MetricRuleTexts& texts);
  MetricRules(MetricRules&&) noexcept;
  MetricRules& operator=(MetricRules&&) noexcept;
  ~MetricRules();

  // `unit` and `metric` are indexes into the catalog; the label values are in its order. Not
  // thread-safe: it remembers the last answer.
  bool Sends(size_t unit, size_t metric, std::span<const std::string_view> labels);

  // False when it sends no series of the family, whatever its labels.
  bool SendsAny(size_t unit, size_t metric) const;

 private:
  struct Rule;
  struct LabelRule;
  struct Family;
  MetricRules();
  static absl::Status AddRules(std::string_view setting, std::span<const std::string> texts,
                               std::vector<Rule>& rules);
  static Family FamilyOf(const MetricType& metric, std::vector<Rule>& rules);

  std::vector<std::vector<Family>> families_;  // by unit and metric
};

}  // namespace huatuo
