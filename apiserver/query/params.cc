#include "apiserver/query/params.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "apiserver/query/problem.h"
#include "common/document.h"

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t UnitSeconds(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    default:
      return 0;
  }
}

bool Accepts(const Param& param, const std::string& value) {
  switch (param.kind) {
    case Param::Kind::kText:
      return !value.empty();
    case Param::Kind::kTime:
      return ParseTime(value, 0).has_value();
    case Param::Kind::kCount: {
      const std::optional<uint64_t> count = ParseCount(value);
      return count && *count >= param.minimum && *count <= param.maximum;
    }
    case Param::Kind::kWord:
      return std::find(param.words.begin(), param.words.end(), value) != param.words.end();
  }
  return false;
}

std::string Names(const std::vector<Param>& params) {
  if (params.empty()) return "no parameters";
  std::vector<std::string_view> names;
  names.reserve(params.size());
  for (const Param& param : params) names.emplace_back(param.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string Accepted(const Param& param) {
  switch (param.kind) {
    case Param::Kind::kText:
      return "text that is not empty";
    case Param::Kind::kTime:
      return "an RFC 3339 time, \"now\", or a time ago like -90s, -30m, -1h, -7d";
    case Param::Kind::kCount:
      return fmt::format("an integer from {} to {}", param.minimum, param.maximum);
    case Param::Kind::kWord:
      return fmt::format("one of {}", fmt::join(param.words, ", "));
  }
  return "";
}

std::optional<uint64_t> ParseCount(std::string_view text) {
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return count;
}

std::optional<int64_t> ParseTime(std::string_view text, int64_t now_ns) {
  if (text == "now") return now_ns;
  if (!text.starts_with('-')) return ParseRfc3339(text);
  const int64_t unit = UnitSeconds(text.back());
  if (unit == 0) return std::nullopt;
  const std::optional<uint64_t> count = ParseCount(text.substr(1, text.size() - 2));
  constexpr uint64_t kMostDays = 36500;  // far from the ends of int64 nanoseconds
  if (!count || *count > kMostDays * 86400 / static_cast<uint64_t>(unit)) return std::nullopt;
  return now_ns - static_cast<int64_t>(*count) * unit * kSecond;
}

std::string ParamValues::Text(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second;
}

std::vector<std::string> ParamValues::List(const std::string& name) const {
  const auto found = lists_.find(name);
  return found == lists_.end() ? std::vector<std::string>() : found->second;
}

uint64_t ParamValues::Count(const std::string& name, uint64_t fallback) const {
  return ParseCount(Text(name)).value_or(fallback);
}

std::optional<int64_t> ParamValues::TimeNs(const std::string& name, int64_t now_ns) const {
  return Has(name) ? ParseTime(Text(name), now_ns) : std::nullopt;
}

std::optional<ParamValues> ReadParams(const std::vector<Param>& params, const Request& request,
                                      Response& problem) {
  ParamValues::Values values;
  ParamValues::Lists lists;
  for (const auto& [name, value] : request.query) {
    const auto param = std::find_if(params.begin(), params.end(),
                                    [&name = name](const Param& p) { return p.name == name; });
    if (param == params.end()) {
      problem = ParameterProblem(400, name, "unknown query parameter", Names(params));
      return std::nullopt;
    }
    if (!Accepts(*param, value)) {
      problem =
          ParameterProblem(400, name, fmt::format("bad value \"{}\"", value), Accepted(*param));
      return std::nullopt;
    }
    if (param->repeated) {
      lists[name].push_back(value);
    } else if (!values.emplace(name, value).second) {
      problem = ParameterProblem(400, name, "given twice", Accepted(*param));
      return std::nullopt;
    }
  }
  return ParamValues(std::move(values), std::move(lists));
}

}  // namespace huatuo
