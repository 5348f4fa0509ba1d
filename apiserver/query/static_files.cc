#include "apiserver/query/static_files.h"

#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "apiserver/query/accept.h"
#include "apiserver/query/gzip.h"
#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{64} << 20;
constexpr size_t kSmallestCompressed = 512;
constexpr int kBestCompression = 9;

struct Type {
  std::string_view suffix;
  std::string_view name;
  bool text;
};

constexpr Type kTypes[] = {
    {".html", "text/html; charset=utf-8", true},
    {".js", "text/javascript; charset=utf-8", true},
    {".css", "text/css; charset=utf-8", true},
    {".svg", "image/svg+xml", true},
    {".json", "application/json", true},
    {".txt", "text/plain; charset=utf-8", true},
    {".png", "image/png", false},
    {".woff2", "font/woff2", false},
};
constexpr Type kOther = {"", "application/octet-stream", false};

const Type& TypeOf(std::string_view name) {
  for (const Type& type : kTypes) {
    if (name.ends_with(type.suffix)) return type;
  }
  return kOther;
}

// Of the header If-None-Match: a list of tags, or *.
bool Matches(std::string_view header, std::string_view etag) {
  return header == "*" || header.find(etag) != std::string_view::npos;
}

}  // namespace

absl::StatusOr<StaticFiles> StaticFiles::Read(const std::string& folder) {
  StaticFiles files;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (at->symlink_status().type() != fs::file_type::regular) continue;
    RETURN_IF_ERROR(files.ReadOne(at->path(), at->path().lexically_relative(folder)));
  }
  if (error) return ErrnoStatus(error.value(), "read " + folder);
  if (files.files_.contains("index.html")) return files;
  return NotFound(fmt::format("read {}: there is no index.html", folder));
}

absl::Status StaticFiles::ReadOne(const std::string& path, const std::string& name) {
  std::ifstream in(path, std::ios::binary);
  const Type& type = TypeOf(name);
  File file{std::string(type.name), "", {std::istreambuf_iterator<char>(in), {}}, ""};
  if (!in) return ErrnoStatus(errno == 0 ? EIO : errno, "read " + path);
  bytes_ += file.body.size();
  if (bytes_ > kMostBytes) {
    return ResourceExhausted(
        fmt::format("read {}: the folder has more than {} bytes", path, kMostBytes));
  }
  file.etag = fmt::format("\"{}\"", Hex(Sha256(file.body)).substr(0, 32));
  if (type.text && file.body.size() >= kSmallestCompressed) {
    file.gzip = Gzip(file.body, kBestCompression);
  }
  files_.emplace(name, std::move(file));
  return absl::OkStatus();
}

std::optional<Response> StaticFiles::Serve(const Request& request, std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) return std::nullopt;
  const File& file = found->second;
  const bool kept = name.starts_with("assets/");
  Response response;
  response.content_type = file.content_type;
  response.headers = {{"ETag", file.etag},
                      {"Cache-Control", kept ? "public, max-age=31536000, immutable" : "no-cache"}};
  if (Matches(request.Header("if-none-match"), file.etag)) {
    response.status = 304;
    return response;
  }
  const bool gzip = !file.gzip.empty() && AcceptsGzip(request.Header("accept-encoding"));
  if (gzip) response.headers.emplace_back("Content-Encoding", "gzip");
  response.body = gzip ? file.gzip : file.body;
  return response;
}

}  // namespace huatuo
