#include "apiserver/kube/pod_messages.h"

#include <fmt/format.h>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "apiserver/pods/pod_json.h"
#include "common/status.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace huatuo {
namespace {

namespace json = boost::json;

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxMessage = 256;
constexpr size_t kMaxToken = 16 << 10;

// One allocation frees a whole answer.
class Parsed {
 public:
  absl::StatusOr<const json::object*> Parse(std::string_view text) {
    json::parse_options options;
    options.max_depth = kMaxDepth;
    json::error_code error;
    // Kept in full before the resource goes.
    value_ = json::parse({text.data(), text.size()}, error, &memory_, options);
    if (error) return DataLoss(fmt::format("json: {}", error.message()));
    if (!value_.is_object()) return DataLoss("json: not an object");
    return &value_.get_object();
  }

 private:
  json::monotonic_resource memory_;
  json::value value_ = json::value(json::storage_ptr(&memory_));
};

const json::object* Object(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

std::string Text(const json::object* object, const char* key, size_t max) {
  const json::value* value = object == nullptr ? nullptr : object->if_contains(key);
  if (value == nullptr || !value->is_string() || value->get_string().size() > max) return "";
  return {value->get_string().data(), value->get_string().size()};
}

std::string Version(const json::object* metadata) { return Text(metadata, "resourceVersion", 253); }

absl::Status ReadStatus(const json::object& status, PodChange& change) {
  const json::value* code = status.if_contains("code");
  change.kind = PodChange::Kind::kError;
  change.code = code != nullptr && code->is_int64() ? static_cast<int>(code->get_int64()) : 500;
  change.message = Text(&status, "message", kMaxToken).substr(0, kMaxMessage);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PodPage> ParsePage(std::string_view text,
                                  const std::vector<std::string>& annotations) {
  Parsed parsed;
  ASSIGN_OR_RETURN(const json::object* list, parsed.Parse(text));
  PodPage page;
  const json::object* metadata = Object(*list, "metadata");
  page.resource_version = Version(metadata);
  page.next = Text(metadata, "continue", kMaxToken);
  const json::value* items = list->if_contains("items");
  if (page.resource_version.empty() || items == nullptr) {
    return DataLoss("json: not a list of pods");
  }
  // An empty list may come as null.
  if (!items->is_array()) return page;
  for (const json::value& item : items->get_array()) {
    absl::StatusOr<ParsedPod> pod = DataLoss("not an object");
    if (item.is_object()) pod = ParsePod(item.get_object(), annotations);
    if (!pod.ok()) {
      ++page.malformed_pods;
      continue;
    }
    page.texts_left_out += pod->texts_left_out;
    page.pods.push_back(std::move(pod->pod));
  }
  return page;
}

absl::StatusOr<PodChange> ParseChange(std::string_view line,
                                      const std::vector<std::string>& annotations) {
  using Kind = PodChange::Kind;
  constexpr std::pair<std::string_view, Kind> kKinds[] = {{"ADDED", Kind::kSet},
                                                          {"MODIFIED", Kind::kSet},
                                                          {"DELETED", Kind::kDeleted},
                                                          {"BOOKMARK", Kind::kBookmark},
                                                          {"ERROR", Kind::kError}};
  Parsed parsed;
  ASSIGN_OR_RETURN(const json::object* event, parsed.Parse(line));
  const std::string type = Text(event, "type", 32);
  const json::object* object = Object(*event, "object");
  for (const auto& [name, kind] : kKinds) {
    if (name != type || object == nullptr) continue;
    PodChange change{.kind = kind, .pod = {}, .resource_version = {}, .message = {}};
    if (kind == Kind::kError) {
      RETURN_IF_ERROR(ReadStatus(*object, change));
      return change;
    }
    change.resource_version = Version(Object(*object, "metadata"));
    if (change.resource_version.empty()) return DataLoss("json: an event without a version");
    if (kind == Kind::kBookmark) return change;
    absl::StatusOr<ParsedPod> pod = ParsePod(*object, annotations);
    if (!pod.ok()) return change;
    change.texts_left_out = pod->texts_left_out;
    change.pod = std::move(pod->pod);
    return change;
  }
  return DataLoss("json: not an event of a watch");
}

std::string StatusMessage(std::string_view text) {
  Parsed parsed;
  const absl::StatusOr<const json::object*> status = parsed.Parse(text);
  std::string message = status.ok() ? Text(*status, "message", kMaxToken) : std::string();
  if (message.empty()) message = std::string(text);
  return message.substr(0, kMaxMessage);
}

}  // namespace huatuo
