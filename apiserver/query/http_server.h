// An HTTP/1.1 server: the adapter around Boost.Beast.
//
// Few network threads read and write; the application runs on worker threads, because the store
// blocks. Every connection has deadlines and size limits, so that a client which sends or reads
// slowly, or sends too much, costs one connection and no thread. Replies are compressed with gzip
// when the client allows it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apiserver/access/certificates.h"
#include "apiserver/access/reload.h"
#include "apiserver/query/http.h"
#include "apiserver/query/http_counts.h"

namespace huatuo {

struct ServerOptions {
  std::string listen = "127.0.0.1:12740";  // address:port, IPv6 in brackets; port 0: any free one
  // Null: no TLS. Each new connection is shown the certificate of the moment.
  std::shared_ptr<const Live<Certificates>> tls = nullptr;
  size_t max_connections = 1024;
  size_t max_connections_of_address = 0;  // 0: as many as there may be
  size_t max_header_bytes = 16 << 10;
  size_t max_body_bytes = 1 << 20;
  std::chrono::milliseconds header_timeout{10'000};  // from the connection to the whole header
  std::chrono::milliseconds idle_timeout{60'000};    // from a reply to the next whole header
  std::chrono::milliseconds body_timeout{10'000};
  std::chrono::milliseconds write_timeout{30'000};  // of a whole reply
  std::chrono::milliseconds stall_timeout{10'000};  // of 64 KiB of a stream
  std::chrono::milliseconds heartbeat{15'000};      // of a stream
  std::chrono::milliseconds shutdown_grace{5'000};  // for requests that are being answered
  int network_threads = 2;
  int worker_threads = 8;
};

class HttpServer {
 public:
  // InvalidArgument: listen address or certificates; Unavailable: the address is in use.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const ServerOptions& options,
                                                           Application application,
                                                           HttpCounts& counts);
  ~HttpServer();

  // Where it listens, with the real port: "127.0.0.1:12740".
  std::string address() const;

  // Accepts nothing more, ends streams with an `end` event, waits for the requests that are being
  // answered, at most the grace. May be called again.
  void Shutdown();

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
