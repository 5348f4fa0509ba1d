#include "test/apiserver/query/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <sstream>
#include <utility>

namespace huatuo {

Client::Client(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  const size_t colon = address.rfind(':');
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) perror("connect");
}

Client::~Client() { close(fd_); }

void Client::Send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

bool Client::More() {
  char chunk[65536];
  const ssize_t got = recv(fd_, chunk, sizeof(chunk), 0);
  if (got > 0) buffer_.append(chunk, static_cast<size_t>(got));
  return got > 0;
}

std::string Client::ReadThrough(std::string_view mark) {
  size_t at = buffer_.find(mark);
  while (at == std::string::npos) {
    if (!More()) return "";
    at = buffer_.find(mark);
  }
  std::string text = buffer_.substr(0, at + mark.size());
  buffer_.erase(0, text.size());
  return text;
}

std::string Client::ReadAll() {
  while (More()) {
  }
  return std::exchange(buffer_, "");
}

std::string Client::ReadBytes(size_t size) {
  while (buffer_.size() < size && More()) {
  }
  std::string bytes = buffer_.substr(0, size);
  buffer_.erase(0, bytes.size());
  return bytes;
}

// Without an end when it does not come.
std::string Client::ReadChunks() {
  std::string body;
  for (;;) {
    const std::string line = ReadThrough("\r\n");
    if (line.empty()) return body + "<no end>";
    const size_t size = std::stoul(line, nullptr, 16);
    body += ReadBytes(size);
    if (ReadBytes(2) != "\r\n") return body + "<no end>";
    if (size == 0) return body;
  }
}

Answer Client::ReadAnswer(bool head) {
  Answer answer = ParseHead(ReadThrough("\r\n\r\n"));
  if (head) return answer;
  if (answer.headers.contains("transfer-encoding")) {
    answer.body = ReadChunks();
  } else if (answer.headers.contains("content-length")) {
    answer.body = ReadBytes(std::stoul(answer.headers["content-length"]));
  }
  return answer;
}

Answer ParseHead(const std::string& head) {
  Answer answer;
  std::istringstream lines(head);
  std::string line;
  std::getline(lines, line);
  if (line.size() > 12) answer.status = std::stoi(line.substr(9, 3));
  while (std::getline(lines, line) && line.size() > 1) {
    const size_t colon = line.find(':');
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(tolower(c));
    answer.headers[name] = line.substr(colon + 2, line.size() - colon - 3);
  }
  return answer;
}

std::string Unzip(const std::string& bytes) {
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  std::string text(8 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int result = inflate(&stream, Z_FINISH);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return result == Z_STREAM_END && stream.avail_in == 0 ? text : "not gzip";
}

}  // namespace huatuo
