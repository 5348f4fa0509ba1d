#include "collector/procfs/netlink.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// The kernel never writes more into one part of a dump.
constexpr size_t kRoomBytes = 32 << 10;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

Netlink::Netlink(Netlink&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Netlink::~Netlink() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<Netlink> Netlink::Open() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return ErrnoStatus(errno, "open a route netlink socket");
  // A dump is answered while we read; a second says that something is wrong.
  const timeval second{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
  return Netlink(fd);
}

absl::StatusOr<Netlink> Netlink::OpenIn(const std::string& process) {
  const Descriptor own(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (own.get() < 0) return ErrnoStatus(errno, "open our network namespace");
  const Descriptor other(open((process + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  if (other.get() < 0) return ErrnoStatus(errno, "open the network namespace of " + process);
  if (setns(other.get(), CLONE_NEWNET) != 0) {
    return ErrnoStatus(errno, "enter the network namespace of " + process);
  }
  auto opened = Open();
  if (setns(own.get(), CLONE_NEWNET) != 0) {
    LogError("cannot return to our own network namespace");
    std::abort();
  }
  return opened;
}

absl::Status Netlink::Ask(uint16_t type) {
  struct {
    nlmsghdr header;
    tcmsg body;  // the longest; all begin with the address family
  } request{};
  // What is too long is taken for attributes, and the kernel complains in its log.
  const size_t body = type == RTM_GETLINK ? sizeof(ifinfomsg) : sizeof(tcmsg);
  request.header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(body));
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  if (send(fd_, &request, request.header.nlmsg_len, 0) < 0)
    return ErrnoStatus(errno, "ask netlink");
  return absl::OkStatus();
}

absl::Status Netlink::Dump(uint16_t type, std::vector<std::byte>& room, const Visit& visit) {
  room.resize(kRoomBytes);
  RETURN_IF_ERROR(Ask(type));
  while (true) {
    const ssize_t got = recv(fd_, room.data(), room.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ErrnoStatus(got == 0 ? EIO : errno, "read netlink");
    auto left = static_cast<uint32_t>(got);
    for (const auto* m = reinterpret_cast<const nlmsghdr*>(room.data()); NLMSG_OK(m, left);
         m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_type == NLMSG_DONE) return absl::OkStatus();
      if (m->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(m));
        return ErrnoStatus(-error->error, "dump of netlink");
      }
      visit(*m);
    }
  }
}

absl::Status Netlink::Query(const nlmsghdr& request, std::vector<std::byte>& room,
                            const Visit& visit) {
  room.resize(kRoomBytes);
  if (send(fd_, &request, request.nlmsg_len, 0) < 0) return ErrnoStatus(errno, "ask netlink");
  ssize_t got = -1;
  do {
    got = recv(fd_, room.data(), room.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return ErrnoStatus(got == 0 ? EIO : errno, "read netlink");
  const auto* answer = reinterpret_cast<const nlmsghdr*>(room.data());
  if (!NLMSG_OK(answer, static_cast<uint32_t>(got))) return DataLoss("an answer of netlink is cut");
  if (answer->nlmsg_type != NLMSG_ERROR) {
    visit(*answer);
    return absl::OkStatus();
  }
  const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(answer));
  return error->error == 0 ? absl::OkStatus() : ErrnoStatus(-error->error, "question to netlink");
}

void EachAttribute(std::span<const std::byte> nest, const VisitAttribute& visit) {
  while (nest.size() >= sizeof(rtattr)) {
    rtattr attribute{};
    std::memcpy(&attribute, nest.data(), sizeof(attribute));
    if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > nest.size()) return;
    visit(attribute.rta_type & NLA_TYPE_MASK,
          nest.subspan(RTA_LENGTH(0), attribute.rta_len - RTA_LENGTH(0)));
    nest = nest.subspan(std::min<size_t>(nest.size(), RTA_ALIGN(attribute.rta_len)));
  }
}

void EachAttribute(const nlmsghdr& message, size_t header_bytes, const VisitAttribute& visit) {
  const size_t begin = NLMSG_LENGTH(NLMSG_ALIGN(header_bytes));
  if (message.nlmsg_len < begin) return;
  const auto* bytes = reinterpret_cast<const std::byte*>(&message);
  EachAttribute({bytes + begin, message.nlmsg_len - begin}, visit);
}

}  // namespace huatuo
