// What one stream says and understands, without the connection: a state machine that is fed with
// the server's messages and asked for the next one to send. Not thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/status.h"

namespace huatuo {

class Exchange {
 public:
  using Time = std::chrono::steady_clock::time_point;
  virtual ~Exchange() = default;

  // InvalidArgument when the server breaks a rule of the proto: the stream must end.
  virtual absl::Status Hear(std::string_view message, Time now) = 0;

  // The next message to send; nullopt when there is nothing to say now.
  virtual std::optional<std::string> Say(Time now) = 0;

  // When Say may have something without any other cause.
  virtual Time WakeAt(Time now) const = 0;

  virtual bool welcomed() const = 0;
  virtual bool acked_any() const = 0;
  // Whether it has something to say, beside the entries of an outbox, that a stop should wait for.
  virtual bool Owes() const { return false; }
};

// An exchange in messages of these two types.
template <typename ToServer, typename FromServer>
class MessageExchange : public Exchange {
 public:
  absl::Status Hear(std::string_view bytes, Time now) final {
    FromServer message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return InvalidArgument("server: a message that cannot be parsed");
    }
    return Receive(message, now);
  }
  std::optional<std::string> Say(Time now) final {
    const std::optional<ToServer> message = Next(now);
    return message ? std::optional(message->SerializeAsString()) : std::nullopt;
  }

  // Hear and Say, in messages.
  virtual absl::Status Receive(const FromServer& message, Time now) = 0;
  virtual std::optional<ToServer> Next(Time now) = 0;
};

}  // namespace huatuo
