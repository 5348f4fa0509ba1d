// A reply whose body is made in pieces, from its head to its last byte. Only http_connection.cc
// includes this: Asio is expensive.
#pragma once

#include <fmt/format.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "apiserver/query/gzip.h"
#include "apiserver/query/http_connection.h"

namespace huatuo {

// A worker makes a piece, the network takes it, and only then the next is made: a reader that is
// slow holds one piece and no thread. `Stream`: of Beast, plain or TLS, whose executor is a strand.
template <class Stream>
class PieceWriter final : public std::enable_shared_from_this<PieceWriter<Stream>> {
 public:
  using Error = boost::system::error_code;
  // Called on the strand, once; an error means that the client has not got all.
  using Done = std::function<void(const Error&)>;

  // `done` must own what owns `stream`. Without `chunked` the end of the connection ends the body.
  PieceWriter(ServerCore& core, Stream& stream, bool chunked, bool gzip, Done done)
      : core_(core), stream_(stream), chunked_(chunked), done_(std::move(done)) {
    if (gzip) gzip_.emplace();
  }

  // Sends `head`, then the body of `response`.
  void Start(std::string head, Response response) {
    before_ = std::move(head);
    text_ = std::move(response.body);
    next_ = std::move(response.pieces);
    PostMake();
  }

 private:
  void PostMake() {
    boost::asio::post(core_.workers, [self = this->shared_from_this()] { self->Make(); });
  }
  void Make();
  bool MakePayload();
  void Frame();
  void Write(const Error& error);

  ServerCore& core_;
  Stream& stream_;
  const bool chunked_;
  std::optional<GzipStream> gzip_;
  Done done_;
  std::function<bool(std::string&)> next_;
  bool more_ = true;
  std::string text_;
  std::string before_;  // what precedes the payload: the head, the size of a chunk
  std::string payload_;
  std::string after_;
};

template <class Stream>
void PieceWriter<Stream>::Make() {
  const bool made = MakePayload();
  if (made) Frame();
  // The client sees that the last chunk is missing.
  const Error error = made ? Error() : make_error_code(boost::system::errc::io_error);
  boost::asio::post(stream_.get_executor(),
                    [self = this->shared_from_this(), error] { self->Write(error); });
}

template <class Stream>
bool PieceWriter<Stream>::MakePayload() {
  payload_.clear();
  try {
    // Compressed bytes come in bursts, and a chunk without any would be the end.
    while (more_ && payload_.empty()) {
      if (text_.empty()) more_ = next_(text_);
      if (gzip_) gzip_->Add(text_, !more_, payload_);
      if (!gzip_) payload_.swap(text_);
      text_.clear();
    }
  } catch (const std::bad_alloc&) {
    std::abort();
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

template <class Stream>
void PieceWriter<Stream>::Frame() {
  after_.clear();
  if (!chunked_) return;
  if (!payload_.empty()) {
    fmt::format_to(std::back_inserter(before_), "{:x}\r\n", payload_.size());
    after_ = "\r\n";
  }
  if (!more_) after_ += "0\r\n\r\n";
}

template <class Stream>
void PieceWriter<Stream>::Write(const Error& error) {
  if (error) return done_(error);
  const std::array<boost::asio::const_buffer, 3> buffers{
      boost::asio::buffer(before_), boost::asio::buffer(payload_), boost::asio::buffer(after_)};
  boost::beast::get_lowest_layer(stream_).expires_after(core_.options.write_timeout);
  boost::asio::async_write(stream_, buffers,
                           [self = this->shared_from_this()](const Error& failed, size_t) {
                             self->before_.clear();
                             if (failed || !self->more_) return self->done_(failed);
                             self->PostMake();
                           });
}

}  // namespace huatuo
