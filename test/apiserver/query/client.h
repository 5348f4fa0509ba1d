// A blocking HTTP client on a bare socket, so that tests can also misbehave.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

namespace huatuo {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class Client {
 public:
  // `address`: "127.0.0.1:1234"
  explicit Client(const std::string& address);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view text);
  // What has been received and not yet returned, up to and with `mark`; empty at the end of the
  // connection or after 10 s.
  std::string ReadThrough(std::string_view mark);
  // Everything until the server closes.
  std::string ReadAll();
  // One answer with a Content-Length, or in chunks.
  Answer ReadAnswer(bool head = false);

 private:
  bool More();
  std::string ReadBytes(size_t size);
  std::string ReadChunks();
  int fd_;
  std::string buffer_;
};

Answer ParseHead(const std::string& head);

// What `bytes`, one whole gzip stream of at most 8 MiB of text, hold; "not gzip" otherwise.
std::string Unzip(const std::string& bytes);

}  // namespace huatuo
