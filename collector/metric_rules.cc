#include "collector/metric_rules.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <optional>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr std::array<std::string_view, 5> kExcludes = {
    R"(huatuo_node_(netdev|qdisc)_.*{device=(veth|cali|lxc|gke|eni|azv|tap|ifb|dummy).*})",
    R"(huatuo_node_disk_.*{device=(loop|ram|zram|fd)\d+|[hsv]d[a-z]+\d+|xvd[a-z]+\d+|(nvme\d+n\d+|mmcblk\d+)p\d+})",
    "huatuo_container_memory_events_total{event=low|oom_group_kill|sock_throttled}",
    "huatuo_container_cpu_usage_ratio{mode=user|system}",
    "huatuo_container_tasks{state=stopped}",
};

constexpr std::string_view kInclude = "metrics.include";
constexpr std::string_view kExclude = "metrics.exclude";

re2::StringPiece Piece(std::string_view text) { return {text.data(), text.size()}; }

bool Matches(std::string_view text, const RE2& expression) {
  return RE2::FullMatch(Piece(text), expression);
}

absl::StatusOr<std::shared_ptr<const RE2>> Compile(std::string_view text) {
  auto expression = std::make_shared<RE2>(Piece(text), RE2::Quiet);
  if (!expression->ok()) {
    return InvalidArgument(fmt::format("\"{}\": {}", text, expression->error()));
  }
  return expression;
}

}  // namespace

const std::span<const std::string_view> kDefaultExcludes = kExcludes;

struct MetricRules::Rule {
  std::string_view setting;
  std::string text;
  std::shared_ptr<const RE2> family;
  std::string label;  // empty: all series of the family
  std::shared_ptr<const RE2> value;
  bool include = false;
  bool family_found = false, label_found = false;
};

// A rule that asks for the value of a label.
struct MetricRules::LabelRule {
  size_t label;  // its place
  std::shared_ptr<const RE2> value;
  bool include;
  // Series of one device come one after another.
  std::string last;
  bool last_matched = false;

  bool Names(std::string_view text) {
    if (text != last || last.empty()) {
      last = text;
      last_matched = Matches(text, *value);
    }
    return last_matched;
  }
};

struct MetricRules::Family {
  bool sent = true;       // where no label rule decides
  bool included = false;  // as a whole: nothing can take it away
  std::vector<LabelRule> rules = {};
};

namespace {

// "family{label=value}": the braces of a repetition do not hold a name and "=".
struct RuleText {
  std::string_view family, label, value;
};
RuleText Split(std::string_view text) {
  for (size_t open = text.find('{'); open != std::string_view::npos;
       open = text.find('{', open + 1)) {
    const std::string_view rest = text.substr(open + 1);
    const size_t equals = rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789");
    if (equals == 0 || equals == std::string_view::npos || rest[equals] != '=') continue;
    if (!rest.ends_with('}')) continue;
    return {text.substr(0, open), rest.substr(0, equals),
            rest.substr(equals + 1, rest.size() - equals - 2)};
  }
  return {text, "", ""};
}

}  // namespace

MetricRules::MetricRules() = default;
MetricRules::MetricRules(MetricRules&&) noexcept = default;
MetricRules& MetricRules::operator=(MetricRules&&) noexcept = default;
MetricRules::~MetricRules() = default;

MetricRules::Family MetricRules::FamilyOf(const MetricType& metric, std::vector<Rule>& rules) {
  Family family;
  family.sent = !metric.on_request;
  for (Rule& rule : rules) {
    if (!Matches(metric.name, *rule.family)) continue;
    rule.family_found = true;
    if (rule.label.empty()) {
      // Includes stand before excludes.
      if (rule.include) family.included = true;
      if (!rule.include) family.sent = false;
      continue;
    }
    const auto label = std::ranges::find(metric.labels, rule.label);
    if (label == metric.labels.end()) continue;
    rule.label_found = true;
    family.rules.push_back(
        {static_cast<size_t>(label - metric.labels.begin()), rule.value, rule.include, {}, false});
  }
  return family;
}

absl::Status MetricRules::AddRules(std::string_view setting, std::span<const std::string> texts,
                                   std::vector<Rule>& rules) {
  for (const std::string& text : texts) {
    const RuleText parts = Split(text);
    auto family = Compile(parts.family);
    auto value = Compile(parts.value);
    RETURN_IF_ERROR(Annotate(family.status(), setting));
    RETURN_IF_ERROR(Annotate(value.status(), setting));
    rules.push_back({.setting = setting,
                     .text = text,
                     .family = *std::move(family),
                     .label = std::string(parts.label),
                     .value = *std::move(value),
                     .include = setting == kInclude});
  }
  return absl::OkStatus();
}

absl::StatusOr<MetricRules> MetricRules::Make(std::span<const Unit* const> units,
                                              const MetricRuleTexts& texts) {
  std::vector<Rule> rules;
  RETURN_IF_ERROR(AddRules(kInclude, texts.include, rules));
  RETURN_IF_ERROR(AddRules(kExclude, texts.exclude, rules));
  const size_t asked = rules.size();
  const std::vector<std::string> defaults(kDefaultExcludes.begin(), kDefaultExcludes.end());
  RETURN_IF_ERROR(AddRules(kExclude, defaults, rules));
  MetricRules made;
  for (const Unit* unit : units) {
    auto& families = made.families_.emplace_back();
    for (const MetricType& metric : unit->metrics) families.push_back(FamilyOf(metric, rules));
  }
  for (const Rule& rule : std::span(rules).first(asked)) {
    if (rule.label.empty() ? rule.family_found : rule.label_found) continue;
    return InvalidArgument(fmt::format("{}: \"{}\": names no metric of docs/units.md{}",
                                       rule.setting, rule.text,
                                       rule.label.empty() ? "" : " with that label"));
  }
  return made;
}

bool MetricRules::SendsAny(size_t unit, size_t metric) const {
  const Family& family = families_[unit][metric];
  return family.included || family.sent || std::ranges::any_of(family.rules, &LabelRule::include);
}

bool MetricRules::Sends(size_t unit, size_t metric, std::span<const std::string_view> labels) {
  Family& family = families_[unit][metric];
  if (family.included) return true;
  bool sent = family.sent;
  for (LabelRule& rule : family.rules) {
    const bool asked = rule.include || sent;
    if (!asked || rule.label >= labels.size() || !rule.Names(labels[rule.label])) continue;
    if (rule.include) return true;
    sent = false;
  }
  return sent;
}

}  // namespace huatuo
