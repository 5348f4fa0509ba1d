#include "apiserver/kube/https_client.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using Error = boost::system::error_code;
using Milliseconds = std::chrono::milliseconds;

constexpr size_t kPiece = 16 << 10;
// A whole head and what comes with it.
constexpr size_t kBuffer = 128 << 10;

absl::Status Failure(const Error& error, std::string_view what) {
  const std::string text = fmt::format("{}: {}", what, error.message());
  if (error == beast::error::timeout) {
    return absl::DeadlineExceededError({text.data(), text.size()});
  }
  if (error == asio::error::operation_aborted) {
    return absl::CancelledError({text.data(), text.size()});
  }
  // Of trust or of the protocol, not of the network.
  const bool distrust = error.category() == asio::error::get_ssl_category();
  return distrust ? FailedPrecondition(text) : Unavailable(text);
}

absl::Status Use(const Error& error, std::string_view what) {
  if (!error) return absl::OkStatus();
  return FailedPrecondition(fmt::format("{}: {}", what, error.message()));
}

absl::Status Prepare(const Access& access, ssl::context& context) {
  Error error;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.set_verify_mode(ssl::verify_peer, error);
  RETURN_IF_ERROR(Use(error, "verify mode"));
  if (access.ca_pem.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.add_certificate_authority(asio::buffer(access.ca_pem), error);
  }
  RETURN_IF_ERROR(Use(error, "certificate authority"));
  if (access.certificate_pem.empty()) return absl::OkStatus();
  // Nobody is there to be asked for one.
  context.set_password_callback([](size_t, auto) { return std::string(); }, error);
  RETURN_IF_ERROR(Use(error, "password of the client key"));
  context.use_certificate_chain(asio::buffer(access.certificate_pem), error);
  RETURN_IF_ERROR(Use(error, "client certificate"));
  context.use_private_key(asio::buffer(access.key_pem), ssl::context::pem, error);
  return Use(error, "client key");
}

// A peer that is gone without a word is noticed after a minute, however long a watch is silent.
void KeepAlive(int socket) {
  const auto set = [socket](int level, int name, int value) {
    setsockopt(socket, level, name, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
}

bool IsAddress(const std::string& host) {
  Error error;
  asio::ip::make_address(host, error);
  return !error;
}

std::chrono::seconds RetryAfter(std::string_view text) {
  uint32_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::chrono::seconds(seconds);
}

struct Connection {
  Connection(asio::io_context& io, Access the_access, ssl::context the_context)
      : access(std::move(the_access)), context(std::move(the_context)), stream(io, context) {}

  beast::tcp_stream& tcp() { return beast::get_lowest_layer(stream); }

  const Access access;
  ssl::context context;
  beast::ssl_stream<beast::tcp_stream> stream;
  beast::flat_buffer buffer{kBuffer};
  // Of the answer that is being read.
  std::optional<http::response_parser<http::buffer_body>> parser;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
};

}  // namespace

struct HttpsClient::State {
  State(LoadAccess the_load, HttpsLimits the_limits)
      : load(std::move(the_load)), limits(the_limits) {}

  // Runs one asynchronous operation to its end, since only those have time limits.
  template <typename Begin>
  Error Await(Begin begin) {
    if (stopped) return asio::error::operation_aborted;
    Error result = asio::error::would_block;
    begin([&result](const Error& error, auto&&...) { result = error; });
    io.restart();
    io.run();
    return stopped ? Error(asio::error::operation_aborted) : result;
  }
  template <typename Begin>
  Error Await(Milliseconds limit, Begin begin) {
    connection->tcp().expires_after(limit);
    return Await(std::move(begin));
  }

  bool Reusable() const;
  absl::Status Connect();
  absl::Status Dial(const std::string& where);
  absl::Status Shake(const std::string& where);
  absl::StatusOr<Head> Ask(const std::string& target);
  absl::StatusOr<std::string_view> Read(Milliseconds patience);

  const LoadAccess load;
  const HttpsLimits limits;
  std::atomic<bool> stopped = false;
  asio::io_context io{1};
  asio::ip::tcp::resolver resolver{io};
  std::unique_ptr<Connection> connection;
  std::array<char, kPiece> piece;
};

bool HttpsClient::State::Reusable() const {
  // After a refusal the credentials are read anew: they may have changed.
  return connection && connection->parser && connection->parser->is_done() &&
         connection->parser->get().result() == http::status::ok &&
         connection->parser->get().keep_alive() &&
         std::chrono::steady_clock::now() - connection->since < limits.reuse;
}

absl::Status HttpsClient::State::Connect() {
  connection.reset();
  ASSIGN_OR_RETURN(Access access, load());
  ssl::context context(ssl::context::tls_client);
  RETURN_IF_ERROR(Prepare(access, context));
  connection = std::make_unique<Connection>(io, std::move(access), std::move(context));
  const std::string where = connection->access.host + ":" + connection->access.port;
  absl::Status status = Dial(where);
  if (status.ok()) status = Shake(where);
  if (!status.ok()) connection.reset();
  return status;
}

absl::Status HttpsClient::State::Dial(const std::string& where) {
  const Access& access = connection->access;
  asio::ip::tcp::resolver::results_type addresses;
  Error error = Await([&](auto done) {
    resolver.async_resolve(access.host, access.port,
                           [&addresses, done](const Error& failed, const auto& found) {
                             addresses = found;
                             done(failed);
                           });
  });
  if (error) return Failure(error, "resolve " + access.host);
  error =
      Await(limits.connect, [&](auto done) { connection->tcp().async_connect(addresses, done); });
  if (error) return Failure(error, "connect " + where);
  KeepAlive(connection->tcp().socket().native_handle());
  return absl::OkStatus();
}

absl::Status HttpsClient::State::Shake(const std::string& where) {
  const std::string& name = connection->access.server_name;
  SSL* const tls = connection->stream.native_handle();
  if (!IsAddress(name)) SSL_set_tlsext_host_name(tls, name.c_str());
  connection->stream.set_verify_callback(ssl::host_name_verification(name));
  const Error error = Await(limits.connect, [&](auto done) {
    connection->stream.async_handshake(ssl::stream_base::client, done);
  });
  if (!error) return absl::OkStatus();
  const long verified = SSL_get_verify_result(tls);
  if (verified == X509_V_OK) return Failure(error, "tls " + where);
  return FailedPrecondition(
      fmt::format("tls {}: {}", where, X509_verify_cert_error_string(verified)));
}

absl::StatusOr<Transport::Head> HttpsClient::State::Ask(const std::string& target) {
  const Access& access = connection->access;
  http::request<http::empty_body> request(http::verb::get, access.path + target, 11);
  request.set(http::field::host, access.host);
  request.set(http::field::accept, "application/json");
  request.set(http::field::user_agent, "huatuo-apiserver/" HUATUO_VERSION);
  if (!access.token.empty()) request.set(http::field::authorization, "Bearer " + access.token);
  Error error =
      Await(limits.head, [&](auto done) { http::async_write(connection->stream, request, done); });
  if (error) return Failure(error, "write");
  auto& parser = connection->parser.emplace();
  parser.header_limit(limits.header_bytes);
  parser.body_limit(boost::none);
  error = Await(limits.head, [&](auto done) {
    http::async_read_header(connection->stream, connection->buffer, parser, done);
  });
  if (error) return Failure(error, "answer");
  const auto after = parser.get()[http::field::retry_after];
  return Head{.status = static_cast<int>(parser.get().result_int()),
              .retry_after = RetryAfter({after.data(), after.size()})};
}

absl::StatusOr<std::string_view> HttpsClient::State::Read(Milliseconds patience) {
  if (!connection || !connection->parser) return FailedPrecondition("read: nothing was asked for");
  auto& parser = *connection->parser;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    Error error = Await(patience, [&](auto done) {
      http::async_read_some(connection->stream, connection->buffer, parser, done);
    });
    if (error == http::error::need_buffer) error = {};
    const size_t size = piece.size() - parser.get().body().size;
    if (error) return Failure(error, "read");
    if (size > 0) return std::string_view(piece.data(), size);
  }
  return std::string_view();
}

HttpsClient::HttpsClient(LoadAccess load, HttpsLimits limits)
    : state_(std::make_unique<State>(std::move(load), limits)) {}

HttpsClient::~HttpsClient() = default;

absl::StatusOr<Transport::Head> HttpsClient::Get(const std::string& target) {
  const bool reused = state_->Reusable();
  if (!reused) RETURN_IF_ERROR(state_->Connect());
  absl::StatusOr<Head> head = state_->Ask(target);
  if (reused && absl::IsUnavailable(head.status())) {
    // The server had closed it meanwhile, as it may.
    RETURN_IF_ERROR(state_->Connect());
    head = state_->Ask(target);
  }
  if (!head.ok()) state_->connection.reset();
  return head;
}

absl::StatusOr<std::string_view> HttpsClient::Read(Milliseconds patience) {
  absl::StatusOr<std::string_view> piece = state_->Read(patience);
  if (!piece.ok()) state_->connection.reset();
  return piece;
}

void HttpsClient::Stop() {
  state_->stopped = true;
  // Runs on the thread that waits, or never.
  asio::post(state_->io, [state = state_.get()] {
    state->resolver.cancel();
    if (state->connection) state->connection->tcp().close();
  });
}

}  // namespace huatuo
