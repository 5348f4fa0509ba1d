#include "apiserver/query/console.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "apiserver/query/accept.h"
#include "apiserver/query/page.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace fs = std::filesystem;

// Styles that a script sets on an element are no inline styles in the sense of this policy.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

bool WantsHtml(const Request& request) {
  const std::vector<AcceptedItem> items = ParseAccept(request.Header("accept"));
  return std::any_of(items.begin(), items.end(), [](const AcceptedItem& item) {
    return item.name == "text/html" && item.q > 0;
  });
}

// The API's paths, where an unknown one is an error also for a browser.
bool IsApi(const Request& request) { return request.segments.front() == "api"; }

std::vector<std::string> DefaultFolders() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path here = program.parent_path();
  return {here / "console", here.parent_path() / "share/huatuo/console"};
}

}  // namespace

absl::StatusOr<Console> Console::Open(const std::string& folder) {
  if (!folder.empty()) {
    ASSIGN_OR_RETURN(StaticFiles files, StaticFiles::Read(folder));
    return Console(std::move(files));
  }
  for (const std::string& place : DefaultFolders()) {
    absl::StatusOr<StaticFiles> files = StaticFiles::Read(place);
    if (files.ok()) return Console(*std::move(files));
  }
  return Console();
}

std::optional<Response> Console::File(const Request& request, std::string_view name) const {
  if (!files_) return std::nullopt;
  std::optional<Response> response = files_->Serve(request, name);
  if (!response) return std::nullopt;
  response->headers.emplace_back("Content-Security-Policy", kPolicy);
  response->headers.emplace_back("Referrer-Policy", "no-referrer");
  return response;
}

std::optional<Response> Console::Serve(const Request& request) const {
  if (request.method != "GET") return std::nullopt;
  if (request.path == "/") return files_ ? File(request, "index.html") : PlainPage();
  if (request.segments.empty() || IsApi(request)) return std::nullopt;
  if (std::optional<Response> file = File(request, std::string_view(request.path).substr(1))) {
    return file;
  }
  return WantsHtml(request) ? File(request, "index.html") : std::nullopt;
}

}  // namespace huatuo
