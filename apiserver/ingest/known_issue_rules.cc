#include "apiserver/ingest/known_issue_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <set>
#include <string_view>

namespace huatuo {
namespace {

namespace json = boost::json;

// What bounds the time that an event takes: rules * conditions * the event's own text.
constexpr size_t kMaxRules = 64;
constexpr size_t kMaxConditions = 8;
constexpr size_t kMaxExpression = 512;
// Of one expression; RE2 refuses one that needs more, and stays linear when it is used up.
constexpr int64_t kMaxMemory = 256 << 10;
constexpr size_t kMaxName = 64;

bool IsWord(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

const std::string& AcceptedWord() {
  static const std::string text =
      fmt::format("a text of 1 to {} bytes of [A-Za-z0-9._-]", kMaxName);
  return text;
}

std::string_view View(const json::string& text) { return {text.data(), text.size()}; }

// The last one is what a reader of the rules is told beside them.
constexpr std::string_view kMembers[] = {"name", "tracer", "match", "action", "matched"};

// Reads one rule. `at` is its place, for refusals.
class RuleReader {
 public:
  RuleReader(std::string at, const json::object& object) : at_(std::move(at)), object_(object) {}

  Objection Read(KnownIssueRule& rule) {
    for (const auto& member : object_) {
      const std::string_view key(member.key().data(), member.key().size());
      if (std::ranges::find(kMembers, key) != std::end(kMembers)) continue;
      return Bad(key, "unknown member", "name, tracer, match, action");
    }
    if (auto bad = ReadWord("name", rule.name)) return bad;
    if (object_.contains("tracer")) {
      if (auto bad = ReadWord("tracer", rule.tracer)) return bad;
    }
    if (auto bad = ReadAction(rule)) return bad;
    return ReadConditions(rule);
  }

 private:
  Objection Bad(std::string_view member, std::string_view detail, std::string_view accepted) const {
    return Refusal{fmt::format("{}.{}", at_, member), std::string(detail), std::string(accepted)};
  }

  Objection ReadWord(std::string_view member, std::string& into) const {
    const json::value* value = object_.if_contains({member.data(), member.size()});
    if (value == nullptr || !value->is_string() || !IsWord(View(value->as_string()))) {
      return Bad(member, value == nullptr ? "missing" : "bad value " + json::serialize(*value),
                 AcceptedWord());
    }
    into = View(value->as_string());
    return std::nullopt;
  }

  Objection ReadAction(KnownIssueRule& rule) const {
    std::string action;
    auto bad = ReadWord("action", action);
    if (!bad && action != "label" && action != "silence") bad = Bad("action", action, "");
    if (bad) bad->accepted = "label or silence";
    rule.silence = action == "silence";
    return bad;
  }

  Objection ReadConditions(KnownIssueRule& rule) const {
    const json::value* match = object_.if_contains("match");
    const std::string shape = fmt::format("an object of 1 to {} texts", kMaxConditions);
    if (match == nullptr || !match->is_object()) return Bad("match", "not an object", shape);
    const json::object& conditions = match->as_object();
    if (conditions.empty() || conditions.size() > kMaxConditions) {
      return Bad("match", fmt::format("{} members", conditions.size()), shape);
    }
    for (const auto& member : conditions) {
      if (auto bad = ReadCondition(member, rule)) return bad;
    }
    return std::nullopt;
  }

  Objection ReadCondition(const json::key_value_pair& member, KnownIssueRule& rule) const {
    const std::string field(member.key());
    const std::string place = "match." + field;
    if (!IsWord(field)) return Bad(place, "not a field's name", AcceptedWord());
    const std::string accepted =
        fmt::format("a regular expression in RE2 syntax of 1 to {} bytes", kMaxExpression);
    if (!member.value().is_string() || member.value().as_string().empty() ||
        member.value().as_string().size() > kMaxExpression) {
      return Bad(place, "not a text, empty or too long", accepted);
    }
    RE2::Options options(RE2::Quiet);
    options.set_max_mem(kMaxMemory);
    auto expression = std::make_shared<const RE2>(member.value().as_string().c_str(), options);
    if (!expression->ok()) {
      return Bad(place, fmt::format("{} at \"{}\"", expression->error(), expression->error_arg()),
                 accepted);
    }
    rule.conditions.push_back({field, std::move(expression)});
    return std::nullopt;
  }

  const std::string at_;
  const json::object& object_;
};

const json::value* Find(const json::object& document, const std::string& field) {
  const json::value* facts = document.if_contains("tracer_data");
  const json::value* value =
      facts != nullptr && facts->is_object() ? facts->as_object().if_contains(field) : nullptr;
  return value != nullptr ? value : document.if_contains(field);
}

bool Holds(const KnownIssueRule::Condition& condition, const json::object& document) {
  const json::value* value = Find(document, condition.field);
  if (value == nullptr || value->is_null()) return false;
  if (value->is_string()) {
    const json::string& text = value->as_string();
    return RE2::PartialMatch({text.data(), text.size()}, *condition.expression);
  }
  return RE2::PartialMatch(json::serialize(*value), *condition.expression);
}

}  // namespace

Objection ReadRules(const json::value& document, std::vector<KnownIssueRule>& rules) {
  const std::string shape = fmt::format(R"({{"items": [at most {} rules]}})", kMaxRules);
  const json::value* items =
      document.is_object() ? document.as_object().if_contains("items") : nullptr;
  if (items == nullptr || !items->is_array()) {
    return Refusal{"items", "not a list of rules", shape};
  }
  if (items->as_array().size() > kMaxRules) {
    return Refusal{"items", fmt::format("{} rules", items->as_array().size()), shape};
  }
  std::vector<KnownIssueRule> read;
  std::set<std::string> names;
  for (const json::value& item : items->as_array()) {
    const std::string at = fmt::format("items[{}]", read.size());
    if (!item.is_object()) return Refusal{at, "not an object", "name, tracer, match, action"};
    KnownIssueRule& rule = read.emplace_back();
    if (auto bad = RuleReader(at, item.as_object()).Read(rule)) return bad;
    if (!names.insert(rule.name).second) {
      return Refusal{at + ".name", rule.name + ": there is one already", "names that differ"};
    }
  }
  rules = std::move(read);
  return std::nullopt;
}

json::object RuleJson(const KnownIssueRule& rule) {
  json::object match;
  for (const KnownIssueRule::Condition& condition : rule.conditions) {
    match[condition.field] = condition.expression->pattern();
  }
  json::object object{{"name", rule.name}};
  if (!rule.tracer.empty()) object["tracer"] = rule.tracer;
  object["match"] = std::move(match);
  object["action"] = rule.silence ? "silence" : "label";
  return object;
}

bool Matches(const KnownIssueRule& rule, const json::object& document) {
  if (!rule.tracer.empty()) {
    const json::value* tracer = document.if_contains("tracer_name");
    if (tracer == nullptr || !tracer->is_string()) return false;
    if (View(tracer->as_string()) != rule.tracer) return false;
  }
  return std::ranges::all_of(rule.conditions, [&](const KnownIssueRule::Condition& condition) {
    return Holds(condition, document);
  });
}

}  // namespace huatuo
