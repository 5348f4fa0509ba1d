// A folder of files, served from memory.
//
// They are read once, so that a request touches no file system: a path is a key of a table, and one
// that leaves the folder is simply no key. Text is compressed in advance.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/query/http.h"

namespace huatuo {

class StaticFiles {
 public:
  // All regular files below `folder`; links are left out. NotFound: there is no index.html;
  // ResourceExhausted: more than 64 MiB; else what the file system says.
  static absl::StatusOr<StaticFiles> Read(const std::string& folder);

  // The reply to a GET of `name` ("assets/main-1a2b.js"), nullopt when there is none. Has an ETag
  // and heeds If-None-Match. What is below assets/ carries a hash of its content in its name and
  // may be kept for ever; anything else is asked for again each time.
  std::optional<Response> Serve(const Request& request, std::string_view name) const;

 private:
  struct File {
    std::string content_type;
    std::string etag;
    std::string body;
    std::string gzip;  // empty: not worth it
  };
  absl::Status ReadOne(const std::string& path, const std::string& name);

  std::map<std::string, File, std::less<>> files_;
  size_t bytes_ = 0;
};

}  // namespace huatuo
