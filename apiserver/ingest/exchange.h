// What one stream says and understands, without the transport.
//
// Whoever carries the bytes calls Receive for one message after the other, and ends the stream with
// the status when it is not OK:
//
//   INVALID_ARGUMENT     the message broke a rule of the proto
//   PERMISSION_DENIED    the node is not the one the peer may speak for
//   FAILED_PRECONDITION  another stream of the node must be open first
//   ABORTED              a newer stream of the node began
//   ALREADY_EXISTS       another collector of this name is connected (claims.h)
//   UNAVAILABLE          the store does not answer
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

class Exchange {
 public:
  enum class Next {
    kRead,
    kPause,  // no further Receive before Wire::resume has been called; it may come at once
  };

  virtual ~Exchange() = default;

  // One message as bytes. Not thread-safe.
  virtual absl::StatusOr<Next> Receive(std::string_view bytes) = 0;
};

// How an exchange reaches its stream. The functions may be called on any thread, also after the
// stream has ended.
template <typename ToNode>
struct WireOf {
  std::function<void(ToNode)> send;
  // Ends the stream from outside of Receive.
  std::function<void(absl::Status)> end;
  // After kPause: read again.
  std::function<void()> resume;
  // Whether the peer may speak for this node. Empty: for any.
  std::function<absl::Status(const std::string& node)> allow;
  // What the collector is known by, whatever its node's name; empty: it has not said.
  std::string collector = {};
};

// Why a stream was ended with `status`, in one of a few words, whatever the node said.
std::string_view RefusalCause(const absl::Status& status);

// Aborted: a newer stream of `node` has begun.
absl::Status Fenced(const std::string& node);

}  // namespace huatuo
