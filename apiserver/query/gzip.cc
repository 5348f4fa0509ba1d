#include "apiserver/query/gzip.h"

#include <zlib.h>

#include <cstdlib>

namespace huatuo {

std::string Gzip(std::string_view text, int level) {
  constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for a gzip header
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();  // out of memory
  }
  std::string out(deflateBound(&stream, text.size()), '\0');
  // zlib does not write to its input, but has no const in its interface.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace huatuo
