#include "apiserver/ingest/hello.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr uint32_t kProtocol = 1;
constexpr size_t kMaxName = 253;

bool IsNodeName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

absl::Status CheckSize(std::string_view field, const std::string& bytes, size_t size) {
  if (bytes.size() == size) return absl::OkStatus();
  return InvalidArgument(fmt::format("{}: {} bytes: not {}", field, bytes.size(), size));
}

}  // namespace

absl::Status CheckHello(const v1::Hello& hello) {
  if (hello.protocol() != kProtocol) {
    return InvalidArgument(fmt::format("protocol: {}: accepted is 1", hello.protocol()));
  }
  if (!IsNodeName(hello.node())) return InvalidArgument("node: not 1 to 253 of [A-Za-z0-9._-]");
  RETURN_IF_ERROR(CheckSize("catalog_sha256", hello.catalog_sha256(), 32));
  RETURN_IF_ERROR(CheckSize("epoch", hello.epoch(), 16));
  if (hello.next_sequence() == 0 ||
      hello.next_sequence() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return InvalidArgument("next_sequence: not in [1, 2^63)");
  }
  const std::pair<std::string_view, const std::string&> texts[] = {
      {"region", hello.region()},
      {"version", hello.version()},
      {"boot_id", hello.boot_id()},
      {"kernel_release", hello.kernel_release()},
      {"hostname", hello.hostname()}};
  for (const auto& [field, text] : texts) {
    if (text.size() > kMaxName) {
      return InvalidArgument(fmt::format("{}: {} bytes: at most {}", field, text.size(), kMaxName));
    }
  }
  return absl::OkStatus();
}

}  // namespace huatuo
