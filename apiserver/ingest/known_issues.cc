#include "apiserver/ingest/known_issues.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace json = boost::json;

constexpr std::string_view kKind = "known_issues";
constexpr std::string_view kKey = "rules";

absl::Status Refused(const std::string& of, const Refusal& refusal) {
  return InvalidArgument(fmt::format("{}: {}: {}: accepted is {}", of, refusal.field,
                                     refusal.detail, refusal.accepted));
}

absl::StatusOr<json::value> Parse(const std::string& of, const std::string& text) {
  json::error_code error;
  json::value document = json::parse(text, error);
  if (error) return InvalidArgument(fmt::format("{}: not JSON: {}", of, error.message()));
  return document;
}

}  // namespace

KnownIssues::KnownIssues(FactStore& facts, prometheus::Registry& registry)
    : facts_(facts),
      matched_(prometheus::BuildCounter()
                   .Name("huatuo_apiserver_known_issue_events_total")
                   .Help("Events that a rule knew, by rule and what it does with them.")
                   .Register(registry)),
      entries_(std::make_shared<const Entries>()) {}

absl::Status KnownIssues::Load(const std::string& file) {
  if (file.empty()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> kept, facts_.Fact(kKind, kKey));
    if (!kept.has_value()) return absl::OkStatus();
    kept_ = *kept;
    ASSIGN_OR_RETURN(const json::value document, Parse("known issues in the store", *kept));
    std::vector<KnownIssueRule> rules;
    if (const auto bad = ReadRules(document, rules)) return Refused("known issues", *bad);
    Use(std::move(rules));
    return absl::OkStatus();
  }
  std::ifstream stream(file);
  if (!stream) return NotFound(fmt::format("known_issues_file {}: cannot be read", file));
  std::stringstream text;
  text << stream.rdbuf();
  ASSIGN_OR_RETURN(const json::value document, Parse("known_issues_file " + file, text.str()));
  const Replaced replaced = Replace(document);
  return replaced.refusal ? Refused("known_issues_file " + file, *replaced.refusal)
                          : replaced.status;
}

absl::Status KnownIssues::Refresh() {
  const std::lock_guard lock(replacing_);
  ASSIGN_OR_RETURN(const std::optional<std::string> kept, facts_.Fact(kKind, kKey));
  if (!kept.has_value() || *kept == kept_) return absl::OkStatus();
  return Load("");
}

KnownIssues::Replaced KnownIssues::Replace(const json::value& document) {
  std::vector<KnownIssueRule> rules;
  if (auto bad = ReadRules(document, rules)) return {std::move(bad), absl::OkStatus()};
  const std::lock_guard lock(replacing_);
  std::string text = json::serialize(document);
  absl::Status status = facts_.Put(kKind, kKey, text);
  if (status.ok()) {
    kept_ = std::move(text);
    Use(std::move(rules));
  }
  return {std::nullopt, std::move(status)};
}

void KnownIssues::Use(std::vector<KnownIssueRule> rules) {
  auto next = std::make_shared<Entries>();
  for (KnownIssueRule& rule : rules) {
    prometheus::Counter& matched =
        matched_.Add({{"rule", rule.name}, {"action", rule.silence ? "silence" : "label"}});
    next->push_back({std::move(rule), &matched});
  }
  const std::lock_guard lock(mutex_);
  entries_ = std::move(next);
}

std::shared_ptr<const KnownIssues::Entries> KnownIssues::entries() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

std::optional<KnownIssues::Verdict> KnownIssues::Judge(std::string_view document) const {
  const std::shared_ptr<const Entries> all = entries();
  // Most clusters have no rules, and their documents are never looked at.
  if (all->empty()) return std::nullopt;
  const absl::StatusOr<json::value> parsed = Parse("event", std::string(document));
  if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
  for (const Entry& entry : *all) {
    if (!Matches(entry.rule, parsed->as_object())) continue;
    entry.matched->Increment();
    return Verdict{entry.rule.name, entry.rule.silence};
  }
  return std::nullopt;
}

json::object KnownIssues::Json() const {
  json::array items;
  const std::shared_ptr<const Entries> all = entries();
  for (const Entry& entry : *all) {
    json::object item = RuleJson(entry.rule);
    item["matched"] = static_cast<uint64_t>(entry.matched->Value());
    items.push_back(std::move(item));
  }
  return {{"items", std::move(items)}, {"next_cursor", nullptr}};
}

}  // namespace huatuo
