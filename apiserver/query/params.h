// Query parameters: declared once, checked before a route runs, and published by OpenAPI.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/query/http.h"

namespace huatuo {

struct Param {
  enum class Kind {
    kText,   // not empty
    kTime,   // RFC 3339, or relative: "now", "-90s", "-30m", "-1h", "-7d"
    kCount,  // an integer from minimum to maximum
    kWord,   // one of `words`
  };
  std::string name;
  Kind kind = Kind::kText;
  std::string help;
  uint64_t minimum = 0;
  uint64_t maximum = UINT64_MAX;
  std::vector<std::string> words = {};
  bool repeated = false;  // may be given more than once
};

// What `param` accepts, for people: "an integer from 1 to 1000".
std::string Accepted(const Param& param);

// Values by name; each is one that its Param accepts.
class ParamValues {
 public:
  using Values = std::map<std::string, std::string>;
  using Lists = std::map<std::string, std::vector<std::string>>;

  explicit ParamValues(Values values = {}, Lists lists = {})
      : values_(std::move(values)), lists_(std::move(lists)) {}

  bool Has(const std::string& name) const { return values_.contains(name); }
  // Empty when absent.
  std::string Text(const std::string& name) const;
  uint64_t Count(const std::string& name, uint64_t fallback) const;
  // `now_ns`: what relative times refer to.
  std::optional<int64_t> TimeNs(const std::string& name, int64_t now_ns) const;

  // All of a repeated one, in the order of the request.
  std::vector<std::string> List(const std::string& name) const;

  // Without the repeated ones.
  const Values& all() const { return values_; }

 private:
  Values values_;
  Lists lists_;
};

// Checks the request's query against `params`. A 400 problem goes to `problem` when a name is
// unknown or given twice, or a value is not accepted.
std::optional<ParamValues> ReadParams(const std::vector<Param>& params, const Request& request,
                                      Response& problem);

// Nanoseconds since 1970; nullopt when `text` is no time as Param::Kind::kTime describes.
std::optional<int64_t> ParseTime(std::string_view text, int64_t now_ns);

std::optional<uint64_t> ParseCount(std::string_view text);

}  // namespace huatuo
