// One stream to the server, of messages as bytes. The only implementation is over gRPC, whose
// headers stay in its file.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace huatuo {

struct LinkOptions {
  std::string target{};        // "host:port"
  std::string rpc{"Connect"};  // of the service Ingest
  // Files are read anew for each stream, so that they may be rotated.
  bool tls = false;
  std::string ca_file{};           // PEM; empty: what the system trusts
  std::string certificate_file{};  // PEM, with key_file; empty: no client certificate
  std::string key_file{};
  std::string server_name{};  // expected in the server's certificate; empty: the target's host
  std::string token_file{};   // empty: no token
  std::string collector{};    // what this collector is known by, whatever its node's name; hex
};

// Called from threads of the library, one call at a time for reads and one for writes; must not
// block and must not call the link.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  virtual void OnMessage(std::string message) = 0;  // no other one before ReadNext
  virtual void OnWritten() = 0;                     // Write may be called again
  virtual void OnEnded() = 0;                       // no message will come; Close says why
};

// Not thread-safe.
class Link {
 public:
  virtual ~Link() = default;

  // May be called at once after opening, then after each OnWritten.
  virtual void Write(std::string message) = 0;
  virtual void ReadNext() = 0;

  // Says that nothing more will be sent, waits up to `patience` for the server to end the stream,
  // and cancels it otherwise. Returns how it ended; the listener is not called any more.
  virtual absl::Status Close(std::chrono::milliseconds patience) = 0;
};

// Begins to connect; a first read is under way. NotFound and others: a file cannot be read.
absl::StatusOr<std::unique_ptr<Link>> OpenLink(const LinkOptions& options, LinkListener& listener);

}  // namespace huatuo
