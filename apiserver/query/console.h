// What people get: the console's files, or a plain page that needs none.
//
// Each view of the console has a URL of its own, so that whatever a browser asks for and nothing
// else serves is the console's index.html. None of it is secret: the data behind it is asked for
// over REST, with the reader's token.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/query/http.h"
#include "apiserver/query/static_files.h"

namespace huatuo {

class Console {
 public:
  // The plain page on `/`.
  Console() = default;
  explicit Console(StaticFiles files) : files_(std::move(files)) {}

  // `folder` is the setting console_dir. When it is empty, the first of console/ beside the program
  // and ../share/huatuo/console that can be read; the plain page when there is none.
  static absl::StatusOr<Console> Open(const std::string& folder);

  bool built() const { return files_.has_value(); }

  // A request that no route serves: `/`, a file, the index for a browser, or nullopt.
  std::optional<Response> Serve(const Request& request) const;

 private:
  std::optional<Response> File(const Request& request, std::string_view name) const;

  std::optional<StaticFiles> files_;
};

}  // namespace huatuo
