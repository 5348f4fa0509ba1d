// A request and a reply, without any library's types: what the REST API is written against.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace huatuo {

struct Request {
  std::string method;  // upper case; HEAD reaches the application as GET
  std::string path;    // percent-decoded, for matching only: segments are in `segments`
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;    // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string peer;  // "127.0.0.1:43210"

  // The first header of this name (given in lower case), or empty.
  std::string_view Header(std::string_view name) const;
};

// Fills path, segments and query from a request target ("/a/b?c=d"); false when it is malformed. In
// the query brackets, braces, quotes and the like may stand as they are: PromQL has them.
bool ParseTarget(std::string_view target, Request& request);

// One reply of server-sent events. Thread-safe; every function returns at once.
class EventStream {
 public:
  enum class Wake {
    kDrained,  // all that was sent has left
    kTick,     // time for a heartbeat
    kClosed,   // the client is gone or was ended; the last call
  };

  virtual ~EventStream() = default;
  virtual void Send(std::string text) = 0;
  virtual size_t buffered_bytes() const = 0;
  virtual bool open() const = 0;
  // Ends the reply after what was sent.
  virtual void Close() = 0;
  // `call` runs on a network thread and must not block. Not called before it is set here.
  virtual void OnWake(std::function<void(Wake)> call) = 0;
  // Runs `work`, which may block, on a worker thread.
  virtual void Run(std::function<void()> work) = 0;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  // A Content-Encoding means that `body` is what it says; else the server may compress it.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // When set, `body` is only the beginning, and this is called once with the open stream.
  std::function<void(std::shared_ptr<EventStream>)> stream;
  // Whether who asked for the stream may still have it; asked at each heartbeat. Empty: yes.
  std::function<bool()> still_allowed;
  // When set, `body` is only the beginning. Appends what follows, a piece of bounded size; false
  // when that was the last. Called on worker threads, one call at a time, the next when the client
  // has taken the piece; destroyed early when the client goes.
  std::function<bool(std::string&)> pieces;
};

// What the server serves. Runs on worker threads, may block, must be thread-safe.
using Application = std::function<Response(const Request&)>;

// "Not Found" of 404.
std::string_view ReasonPhrase(int status);

}  // namespace huatuo
