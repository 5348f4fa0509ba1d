// What may be reached from other machines, and how. Pure and thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace huatuo {

struct Exposure {
  std::string http_listen;
  std::string grpc_listen;
  bool tls = false;
  bool people = false;  // API tokens are asked for
  bool nodes = false;   // nodes show a certificate or a join token
  bool allow_insecure = false;
};

// Whether a listen address ("127.0.0.1:1", "[::1]:1", "localhost:1", gRPC's "unix:PATH") is of this
// machine only; what cannot be understood is not.
bool IsLoopback(const std::string& listen);

// InvalidArgument, naming the address, what it lacks and how to give it: an address that is not a
// loopback one needs TLS and somebody who is asked who they are.
absl::Status CheckExposure(const Exposure& exposure);

}  // namespace huatuo
