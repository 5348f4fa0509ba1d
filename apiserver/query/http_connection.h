// One connection of the HTTP server. Only http_server.cc includes this: Asio is expensive.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "apiserver/query/address_places.h"
#include "apiserver/query/http_server.h"
#include "apiserver/query/tls_context.h"

namespace huatuo {

class Connection {
 public:
  virtual ~Connection() = default;
  // Ends it as soon as what is being answered has left. Thread-safe.
  virtual void Stop() = 0;
  // Ends it now. Thread-safe.
  virtual void Abort() = 0;
  virtual std::weak_ptr<Connection> Weak() = 0;
};

// The connections that exist. Thread-safe.
class OpenConnections {
 public:
  explicit OpenConnections(HttpCounts& counts) : counts_(counts) {}
  void Add(Connection* connection);
  void Remove(Connection* connection);
  size_t size() const;
  std::vector<std::shared_ptr<Connection>> All() const;
  // Whether none was left within `time`.
  bool WaitUntilNone(std::chrono::milliseconds time);

 private:
  mutable std::mutex mutex_;
  std::condition_variable none_;
  std::set<Connection*> connections_;
  HttpCounts& counts_;
};

// What the connections share. Members are destroyed from the last to the first: handlers that the
// io_context still holds own connections, which leave the list when they go.
struct ServerCore {
  ServerCore(ServerOptions server_options, Application app, HttpCounts& http_counts)
      : options(std::move(server_options)),
        application(std::move(app)),
        counts(http_counts),
        connections(http_counts),
        workers(static_cast<size_t>(options.worker_threads)) {}

  const ServerOptions options;
  const Application application;
  HttpCounts& counts;
  OpenConnections connections;
  std::optional<TlsContexts> tls;  // empty: no TLS
  boost::asio::io_context io;
  boost::asio::thread_pool workers;
};

// Serves requests on `socket`, whose executor is a strand, until either side ends it. `place` is
// kept until then.
void Serve(ServerCore& core, boost::asio::ip::tcp::socket socket, AddressPlaces::Place place);

}  // namespace huatuo
