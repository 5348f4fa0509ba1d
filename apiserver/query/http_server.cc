#include "apiserver/query/http_server.h"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <thread>
#include <vector>

#include "apiserver/query/http_connection.h"
#include "apiserver/query/params.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace asio = boost::asio;
using Endpoint = asio::ip::tcp::endpoint;
using Error = boost::system::error_code;

std::string Text(const Endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  if (endpoint.address().is_v6()) return fmt::format("[{}]:{}", address, endpoint.port());
  return fmt::format("{}:{}", address, endpoint.port());
}

absl::StatusOr<Endpoint> ParseListen(const std::string& listen) {
  const absl::Status bad = InvalidArgument(
      fmt::format("listen \"{}\": not ADDRESS:PORT, like 127.0.0.1:12740 or [::1]:12740", listen));
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return bad;
  std::string host = listen.substr(0, colon);
  const std::optional<uint64_t> port = ParseCount(listen.substr(colon + 1));
  if (!port || *port > 65535) return bad;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  Error error;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (error) return bad;
  return Endpoint(address, static_cast<uint16_t>(*port));
}

}  // namespace

void OpenConnections::Add(Connection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.insert(connection);
  counts_.connections.Increment();
}

void OpenConnections::Remove(Connection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  counts_.connections.Decrement();
  if (connections_.empty()) none_.notify_all();
}

size_t OpenConnections::size() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

std::vector<std::shared_ptr<Connection>> OpenConnections::All() const {
  std::vector<std::shared_ptr<Connection>> all;
  const std::lock_guard lock(mutex_);
  for (Connection* connection : connections_) {
    // One whose last owner has just gone waits for this lock in its destructor.
    if (auto owner = connection->Weak().lock()) all.push_back(std::move(owner));
  }
  return all;
}

bool OpenConnections::WaitUntilNone(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return none_.wait_for(lock, time, [this] { return connections_.empty(); });
}

struct HttpServer::State {
  State(const ServerOptions& options, Application application, HttpCounts& counts)
      : places(options.max_connections_of_address),
        core(options, std::move(application), counts),
        acceptor(core.io),
        pause(core.io) {}

  absl::Status Listen();
  void Accept();
  void Accepted(const Error& error, asio::ip::tcp::socket socket);
  void Admit(asio::ip::tcp::socket socket);
  void Refuse(asio::ip::tcp::socket socket, std::string_view status) const;

  AddressPlaces places;
  ServerCore core;
  asio::ip::tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::string address;
  std::vector<std::thread> threads;
  bool stopped = false;
};

absl::Status HttpServer::State::Listen() {
  ASSIGN_OR_RETURN(const Endpoint endpoint, ParseListen(core.options.listen));
  if (core.options.tls) RETURN_IF_ERROR(core.tls.emplace(core.options.tls).Now().status());
  Error error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return Unavailable(fmt::format("listen {}: {}", core.options.listen, error.message()));
  }
  address = Text(acceptor.local_endpoint());
  return absl::OkStatus();
}

void HttpServer::State::Accept() {
  acceptor.async_accept(asio::make_strand(core.io),
                        [this](const Error& error, asio::ip::tcp::socket socket) {
                          Accepted(error, std::move(socket));
                        });
}

void HttpServer::State::Accepted(const Error& error, asio::ip::tcp::socket socket) {
  if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
  if (error) {
    // Out of file descriptors: trying again at once would only burn a CPU.
    core.counts.accept_errors.Increment();
    pause.expires_after(std::chrono::milliseconds(100));
    pause.async_wait([this](const Error& stopped_waiting) {
      if (!stopped_waiting) Accept();
    });
    return;
  }
  Admit(std::move(socket));
  Accept();
}

void HttpServer::State::Admit(asio::ip::tcp::socket socket) {
  if (core.connections.size() >= core.options.max_connections) {
    core.counts.refused_connections.Increment();
    return Refuse(std::move(socket), "503 Service Unavailable");
  }
  Error ignored;
  const std::string client = socket.remote_endpoint(ignored).address().to_string();
  AddressPlaces::Place place = places.Take(client);
  if (!place) {
    core.counts.refused_of_address.Increment();
    return Refuse(std::move(socket), "429 Too Many Requests");
  }
  Serve(core, std::move(socket), std::move(place));
}

void HttpServer::State::Refuse(asio::ip::tcp::socket socket, std::string_view status) const {
  // Who has not begun to speak TLS would not understand the words.
  if (core.tls) return;
  Error ignored;
  socket.non_blocking(true, ignored);
  const std::string reply = fmt::format(
      "HTTP/1.1 {}\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n", status);
  socket.send(asio::buffer(reply), 0, ignored);
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() { Shutdown(); }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const ServerOptions& options,
                                                              Application application,
                                                              HttpCounts& counts) {
  auto state = std::make_unique<State>(options, std::move(application), counts);
  RETURN_IF_ERROR(state->Listen());
  state->Accept();
  for (int i = 0; i < options.network_threads; ++i) {
    state->threads.emplace_back([core = &state->core] {
      const auto work = asio::make_work_guard(core->io);
      core->io.run();
    });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

std::string HttpServer::address() const { return state_->address; }

void HttpServer::Shutdown() {
  if (state_->stopped) return;
  state_->stopped = true;
  ServerCore& core = state_->core;
  asio::post(core.io, [state = state_.get()] {
    Error ignored;
    state->acceptor.close(ignored);
    state->pause.cancel();
  });
  for (const auto& connection : core.connections.All()) connection->Stop();
  if (!core.connections.WaitUntilNone(core.options.shutdown_grace)) {
    for (const auto& connection : core.connections.All()) connection->Abort();
    core.connections.WaitUntilNone(core.options.shutdown_grace);
  }
  core.workers.join();
  core.io.stop();
  for (std::thread& thread : state_->threads) thread.join();
}

}  // namespace huatuo
