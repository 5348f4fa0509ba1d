#include "apiserver/query/http_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <sstream>
#include <type_traits>

#include "apiserver/query/accept.h"
#include "apiserver/query/event_connection.h"
#include "apiserver/query/gzip.h"
#include "apiserver/query/http_pieces.h"
#include "apiserver/query/problem.h"

namespace huatuo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Error = boost::system::error_code;
using RequestMessage = http::request<http::string_body>;

constexpr size_t kSmallestCompressed = 1024;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return lower;
}

// False when the target is malformed.
bool ReadRequest(RequestMessage& message, Request& request) {
  request.method = std::string(message.method_string());
  // The reply to HEAD is made like that to GET, and sent without its body.
  if (request.method == "HEAD") request.method = "GET";
  for (const auto& field : message) {
    request.headers.emplace_back(Lower({field.name_string().data(), field.name_string().size()}),
                                 std::string(field.value()));
  }
  request.body = std::move(message.body());
  return ParseTarget({message.target().data(), message.target().size()}, request);
}

Response Answer(const Application& application, const Request& request) {
  try {
    Response response = application(request);
    // A body that is whole after its first piece has a length, and needs no chunks.
    if (response.pieces && !response.pieces(response.body)) response.pieces = nullptr;
    return response;
  } catch (const std::bad_alloc&) {
    std::abort();
  } catch (const std::exception& error) {
    return Problem(500, error.what());
  }
}

// The reply to a request that could not be read, or nullopt when there is nobody to tell.
std::optional<Response> ReadProblem(const Error& error, const ServerOptions& options) {
  if (error == http::error::header_limit) {
    return Problem(431,
                   fmt::format("the header is larger than {} bytes", options.max_header_bytes));
  }
  if (error == http::error::body_limit) {
    return Problem(413, fmt::format("the body is larger than {} bytes", options.max_body_bytes));
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) return {};
  if (error.category() != make_error_code(http::error::bad_target).category()) return {};
  return Problem(400, fmt::format("malformed request: {}", error.message()));
}

template <class Message>
void SetHeaders(Message& message, const Response& response) {
  message.set(http::field::content_type, response.content_type);
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message.set(name, value);
}

bool EncodingIsSet(const Response& response) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [](const auto& header) { return header.first == "Content-Encoding"; });
}

// Reads requests and writes replies in turn. A reply of server-sent events is the last one: the
// socket goes on to an EventConnection. All members are used on the strand only.
template <class Stream>
class HttpConnection final : public Connection,
                             public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(ServerCore& core, Stream stream, AddressPlaces::Place place)
      : core_(core),
        place_(std::move(place)),
        strand_(stream.get_executor()),
        stream_(std::move(stream)) {
    core_.connections.Add(this);
  }
  ~HttpConnection() override { core_.connections.Remove(this); }

  void Start();

  void Stop() override;
  void Abort() override;
  std::weak_ptr<Connection> Weak() override { return this->weak_from_this(); }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, beast::tcp_stream>;
  std::shared_ptr<HttpConnection> Self() { return this->shared_from_this(); }
  beast::tcp_stream& Tcp() { return beast::get_lowest_layer(stream_); }
  template <class F>
  void OnStrand(F call) {
    asio::post(strand_, [self = Self(), call = std::move(call)] { call(*self); });
  }

  void ReadHeader();
  void ReadBody();
  void OnReadError(const Error& error);
  void Dispatch();
  void Reply(Response response);
  template <class Message>
  void Prepare(Message& message, const Response& response, bool compressed);
  void WritePieces(Response response);
  void Written(const Error& error, bool keep_alive);
  template <class Body>
  void Write(http::response<Body> message);
  void Finish();
  void DiscardRest();

  void HandOver(const Response& response);

  ServerCore& core_;
  AddressPlaces::Place place_;
  const asio::any_io_executor strand_;
  Stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  bool first_ = true;       // no reply yet
  bool answering_ = false;  // from a whole request to its whole reply
  bool stopping_ = false;
  bool head_ = false;
  bool keep_alive_ = false;
  unsigned version_ = 11;
  bool gzip_ = false;
  bool handed_over_ = false;  // stream_ is gone
  std::weak_ptr<Connection> successor_;
  char discarded_[4096];
};

template <class Stream>
void HttpConnection<Stream>::Start() {
  OnStrand([](HttpConnection& self) {
    if constexpr (kTls) {
      self.Tcp().expires_after(self.core_.options.header_timeout);
      self.stream_.async_handshake(asio::ssl::stream_base::server,
                                   [me = self.Self()](const Error& error) {
                                     if (!error) return me->ReadHeader();
                                     me->core_.counts.handshake_errors.Increment();
                                     if (error == beast::error::timeout) {
                                       me->core_.counts.timeouts.Increment();
                                     }
                                   });
    } else {
      self.ReadHeader();
    }
  });
}

template <class Stream>
void HttpConnection<Stream>::ReadHeader() {
  answering_ = false;
  if (stopping_) return Finish();
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(core_.options.max_header_bytes));
  parser_->body_limit(core_.options.max_body_bytes);
  Tcp().expires_after(first_ ? core_.options.header_timeout : core_.options.idle_timeout);
  http::async_read_header(stream_, buffer_, *parser_, [self = Self()](const Error& error, size_t) {
    if (error) return self->OnReadError(error);
    self->ReadBody();
  });
}

template <class Stream>
void HttpConnection<Stream>::ReadBody() {
  const auto read = [self = Self()](const Error& before, size_t) {
    if (before) return;
    self->Tcp().expires_after(self->core_.options.body_timeout);
    http::async_read(self->stream_, self->buffer_, *self->parser_,
                     [self](const Error& error, size_t) {
                       if (error) return self->OnReadError(error);
                       self->Dispatch();
                     });
  };
  if (!beast::iequals(parser_->get()[http::field::expect], "100-continue")) return read({}, 0);
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue), read);
}

template <class Stream>
void HttpConnection<Stream>::OnReadError(const Error& error) {
  if (error == beast::error::timeout && (first_ || parser_->got_some())) {
    core_.counts.timeouts.Increment();
  }
  std::optional<Response> problem = ReadProblem(error, core_.options);
  if (!problem) return;
  core_.counts.bad_requests.Increment();
  head_ = keep_alive_ = gzip_ = false;
  Reply(std::move(*problem));
}

template <class Stream>
void HttpConnection<Stream>::Dispatch() {
  RequestMessage message = parser_->release();
  head_ = message.method() == http::verb::head;
  keep_alive_ = message.keep_alive();
  version_ = message.version();
  const auto encoding = message[http::field::accept_encoding];
  gzip_ = AcceptsGzip({encoding.data(), encoding.size()});
  answering_ = true;
  auto request = std::make_shared<Request>();
  Error ignored;
  const auto peer = Tcp().socket().remote_endpoint(ignored);
  request->peer = fmt::format("{}:{}", peer.address().to_string(), peer.port());
  if (!ReadRequest(message, *request)) {
    core_.counts.bad_requests.Increment();
    return Reply(Problem(400, "malformed request target"));
  }
  asio::post(core_.workers, [self = Self(), request] {
    auto response = std::make_shared<Response>(Answer(self->core_.application, *request));
    self->OnStrand([response](HttpConnection& me) { me.Reply(std::move(*response)); });
  });
}

template <class Stream>
template <class Message>
void HttpConnection<Stream>::Prepare(Message& message, const Response& response, bool compressed) {
  message.result(static_cast<unsigned>(response.status));
  message.reason({ReasonPhrase(response.status).data(), ReasonPhrase(response.status).size()});
  SetHeaders(message, response);
  message.set(http::field::vary, "Accept, Accept-Encoding");
  if (compressed) message.set(http::field::content_encoding, "gzip");
  message.keep_alive(keep_alive_ && !stopping_);
}

template <class Stream>
void HttpConnection<Stream>::Reply(Response response) {
  if (response.stream && !head_) return HandOver(response);
  if (response.pieces && !head_) return WritePieces(std::move(response));
  const bool compressed =
      gzip_ && response.body.size() >= kSmallestCompressed && !EncodingIsSet(response);
  if (compressed) response.body = Gzip(response.body);
  const auto prepare = [&](auto& message) {
    Prepare(message, response, compressed);
    // That of a 304 would be the length of what the client already has.
    const bool known = !response.stream && !response.pieces && response.status != 304;
    if (known) message.content_length(response.body.size());
  };
  if (head_) {
    http::response<http::empty_body> message;
    prepare(message);
    return Write(std::move(message));
  }
  http::response<http::string_body> message;
  prepare(message);
  message.body() = std::move(response.body);
  Write(std::move(message));
}

template <class Stream>
void HttpConnection<Stream>::WritePieces(Response response) {
  const bool chunked = version_ >= 11;
  if (!chunked) keep_alive_ = false;
  const bool gzip = gzip_ && !EncodingIsSet(response);
  http::response<http::empty_body> head;
  Prepare(head, response, gzip);
  if (chunked) head.set(http::field::transfer_encoding, "chunked");
  const bool keep_alive = head.keep_alive();
  std::make_shared<PieceWriter<Stream>>(
      core_, stream_, chunked, gzip,
      [self = Self(), keep_alive](const Error& error) { self->Written(error, keep_alive); })
      ->Start((std::ostringstream() << head.base()).str(), std::move(response));
}

template <class Stream>
template <class Body>
void HttpConnection<Stream>::Write(http::response<Body> message) {
  auto kept = std::make_shared<http::response<Body>>(std::move(message));
  Tcp().expires_after(core_.options.write_timeout);
  http::async_write(stream_, *kept, [self = Self(), kept](const Error& error, size_t) {
    self->Written(error, kept->keep_alive());
  });
}

template <class Stream>
void HttpConnection<Stream>::Written(const Error& error, bool keep_alive) {
  if (error == beast::error::timeout) core_.counts.timeouts.Increment();
  if (error) return;
  if (!keep_alive) return Finish();
  first_ = false;
  ReadHeader();
}

template <class Stream>
void HttpConnection<Stream>::Finish() {
  Tcp().expires_after(std::chrono::seconds(1));
  if constexpr (kTls) {
    stream_.async_shutdown([self = Self()](const Error&) {});
  } else {
    Error ignored;
    Tcp().socket().shutdown(asio::socket_base::shutdown_send, ignored);
    DiscardRest();
  }
}

// Closing while the client still sends would reset the connection, and the reset can overtake the
// reply.
template <class Stream>
void HttpConnection<Stream>::DiscardRest() {
  stream_.async_read_some(asio::buffer(discarded_), [self = Self()](const Error& error, size_t) {
    if (!error) self->DiscardRest();
  });
}

template <class Stream>
void HttpConnection<Stream>::HandOver(const Response& response) {
  handed_over_ = true;
  http::response<http::empty_body> head(http::status::ok, 11);
  SetHeaders(head, response);
  head.set("X-Accel-Buffering", "no");
  head.set(http::field::connection, "close");
  auto events =
      std::make_shared<EventConnection<Stream>>(core_, std::move(stream_), std::move(place_));
  successor_ = events;
  events->Start((std::ostringstream() << head.base()).str() + response.body, response);
  if (stopping_) events->Stop();
}

template <class Stream>
void HttpConnection<Stream>::Stop() {
  OnStrand([](HttpConnection& self) {
    self.stopping_ = true;
    if (const auto next = self.successor_.lock()) return next->Stop();
    if (!self.answering_ && !self.handed_over_) self.Tcp().close();
  });
}

template <class Stream>
void HttpConnection<Stream>::Abort() {
  OnStrand([](HttpConnection& self) {
    if (const auto next = self.successor_.lock()) return next->Abort();
    if (!self.handed_over_) self.Tcp().close();
  });
}

}  // namespace

void Serve(ServerCore& core, asio::ip::tcp::socket socket, AddressPlaces::Place place) {
  Error ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (core.tls) {
    using Tls = beast::ssl_stream<beast::tcp_stream>;
    const absl::StatusOr<TlsContexts::Context> context = core.tls->Now();
    if (!context.ok()) return core.counts.handshake_errors.Increment();
    std::make_shared<HttpConnection<Tls>>(core, Tls(std::move(socket), **context), std::move(place))
        ->Start();
  } else {
    using Plain = beast::tcp_stream;
    std::make_shared<HttpConnection<Plain>>(core, Plain(std::move(socket)), std::move(place))
        ->Start();
  }
}

}  // namespace huatuo
