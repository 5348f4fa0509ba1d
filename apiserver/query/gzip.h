// Compression of replies.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace huatuo {

// `text` in gzip format (RFC 1952). Level 1 of 9: replies are made while somebody waits, and text
// of this kind shrinks to about a tenth at any level.
std::string Gzip(std::string_view text, int level = 1);

// The same of a text that comes in pieces. Not thread-safe.
class GzipStream {
 public:
  GzipStream();
  ~GzipStream();

  // Appends to `out` what can be told by now, maybe nothing; after the `last` piece all of it.
  void Add(std::string_view piece, bool last, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
