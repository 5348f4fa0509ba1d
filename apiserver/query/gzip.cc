#include "apiserver/query/gzip.h"

#include <zlib.h>

#include <cstdlib>

namespace huatuo {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for a gzip header

void Init(z_stream& stream, int level) {
  if (deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();  // out of memory
  }
}

// zlib does not write to its input, but has no const in its interface.
void SetInput(z_stream& stream, std::string_view text) {
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
}

}  // namespace

std::string Gzip(std::string_view text, int level) {
  z_stream stream{};
  Init(stream, level);
  std::string out(deflateBound(&stream, text.size()), '\0');
  SetInput(stream, text);
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct GzipStream::State {
  z_stream stream{};
};

GzipStream::GzipStream() : state_(std::make_unique<State>()) { Init(state_->stream, 1); }

GzipStream::~GzipStream() { deflateEnd(&state_->stream); }

void GzipStream::Add(std::string_view piece, bool last, std::string& out) {
  z_stream& stream = state_->stream;
  SetInput(stream, piece);
  unsigned char room[32 << 10];
  do {
    stream.next_out = room;
    stream.avail_out = sizeof(room);
    deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
    out.append(reinterpret_cast<const char*>(room), sizeof(room) - stream.avail_out);
  } while (stream.avail_out == 0);
}

}  // namespace huatuo
