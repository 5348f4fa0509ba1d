#include "common/packet_filter.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr size_t kMaxText = 512;
constexpr size_t kMaxDevice = 15;  // IFNAMSIZ without the NUL
constexpr size_t kMaxReason = 64;
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kReasonPrefix = "SKB_DROP_REASON_";
constexpr std::string_view kTerms =
    "accepted are ip, ip6, tcp, udp, icmp, icmp6, proto N, [src|dst] port N, [src|dst] host A, "
    "[src|dst] net A/LEN, dev NAME, reason NAME, netns INODE";

struct Protocol {
  std::string_view word;
  uint8_t number;
  int version;  // 0: either
};
constexpr Protocol kProtocols[] = {{"tcp", 6, 0}, {"udp", 17, 0}, {"icmp", 1, 4}, {"icmp6", 58, 6}};

struct Word {
  std::string_view text;  // empty: the end
  size_t column;
};

std::vector<Word> Split(std::string_view text) {
  std::vector<Word> words;
  for (size_t at = text.find_first_not_of(kSpace); at != std::string_view::npos;) {
    const size_t end = std::min(text.size(), text.find_first_of(kSpace, at));
    words.push_back({text.substr(at, end - at), at + 1});
    at = text.find_first_not_of(kSpace, end);
  }
  words.push_back({{}, text.size() + 1});
  return words;
}

absl::Status Wrong(const Word& word, std::string_view why) {
  const std::string shown = word.text.empty() ? "the end" : fmt::format("\"{}\"", word.text);
  return InvalidArgument(fmt::format("column {}: {}: {}", word.column, shown, why));
}

absl::StatusOr<uint64_t> Number(const Word& word, uint64_t minimum, uint64_t maximum) {
  uint64_t value = 0;
  const char* const end = word.text.data() + word.text.size();
  const auto [at, error] = std::from_chars(word.text.data(), end, value);
  if (error != std::errc() || at != end || value < minimum || value > maximum) {
    return Wrong(word, fmt::format("accepted is a number from {} to {}", minimum, maximum));
  }
  return value;
}

// The address and how many bits of the sixteen bytes it stands for.
std::optional<PacketNet> Address(std::string_view text) {
  const std::string copy(text);
  PacketNet net;
  if (inet_pton(AF_INET6, copy.c_str(), net.address.data()) == 1) {
    net.prefix_bits = 128;
    return net;
  }
  net.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, copy.c_str(), net.address.data() + 12) != 1) return std::nullopt;
  net.prefix_bits = 128;
  return net;
}

// inet_pton takes "::ffff:10.0.0.1" too, and means the same packets by it.
bool IsV4(const PacketNet& net) {
  constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return net.prefix_bits >= 96 && std::equal(kMapped.begin(), kMapped.end(), net.address.begin());
}

bool BitsBehind(const PacketNet& net) {
  for (int bit = net.prefix_bits; bit < 128; ++bit) {
    if ((net.address[bit / 8] >> (7 - bit % 8) & 1) != 0) return true;
  }
  return false;
}

absl::StatusOr<PacketNet> Host(const Word& word) {
  const std::optional<PacketNet> net = Address(word.text);
  if (net.has_value()) return *net;
  return Wrong(word, "accepted is an IPv4 or IPv6 address, without a name to look up");
}

absl::StatusOr<PacketNet> Net(const Word& word) {
  const size_t slash = word.text.find('/');
  std::optional<PacketNet> net = Address(word.text.substr(0, slash));
  if (!net.has_value() || slash == std::string_view::npos) {
    return Wrong(word, "accepted is ADDRESS/LENGTH, such as 10.0.0.0/8 or fd00::/8");
  }
  const bool v4 = word.text.substr(0, slash).find(':') == std::string_view::npos;
  const Word length{word.text.substr(slash + 1), word.column + slash + 1};
  ASSIGN_OR_RETURN(const uint64_t bits, Number(length, 0, v4 ? 32 : 128));
  net->prefix_bits = static_cast<int>(bits) + (v4 ? 96 : 0);
  if (BitsBehind(*net)) return Wrong(word, "the address has bits set behind its prefix");
  return *net;
}

bool IsReason(std::string_view text) {
  return !text.empty() && text.size() <= kMaxReason &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

class Parser {
 public:
  explicit Parser(std::string_view text) : words_(Split(text)) {}

  absl::StatusOr<PacketFilter> Parse() {
    if (Peek().text.empty()) return filter_;
    while (true) {
      RETURN_IF_ERROR(Term());
      const Word next = Take();
      if (next.text.empty()) break;
      if (next.text != "and") return Wrong(next, "between two terms only \"and\" is accepted");
    }
    RETURN_IF_ERROR(CheckVersions());
    return filter_;
  }

 private:
  const Word& Peek() const { return words_[at_]; }
  // The last word is the end, which is never passed.
  Word Take() { return at_ + 1 < words_.size() ? words_[at_++] : words_[at_]; }

  template <typename T, typename V>
  static absl::Status Set(std::optional<T>& into, const Word& word, const V& value) {
    if (into.has_value()) return Wrong(word, "said before, and both cannot hold");
    into = static_cast<T>(value);
    return absl::OkStatus();
  }

  absl::Status Term() {
    const Word word = Take();
    if (word.text == "ip" || word.text == "ip6") return Version(word, word.text == "ip" ? 4 : 6);
    for (const Protocol& protocol : kProtocols) {
      if (word.text != protocol.word) continue;
      if (protocol.version != 0) needs_.push_back({word, protocol.version});
      return Set(filter_.protocol, word, protocol.number);
    }
    if (word.text == "proto") {
      ASSIGN_OR_RETURN(const uint64_t number, Number(Take(), 0, 255));
      return Set(filter_.protocol, word, number);
    }
    if (word.text == "src" || word.text == "dst") return Directed(word);
    if (word.text == "port") return Port(word, filter_.port);
    if (word.text == "host" || word.text == "net") return Addresses(word, filter_.net);
    return Place(word);
  }

  absl::Status Version(const Word& word, int version) {
    needs_.push_back({word, version});
    return Set(filter_.version, word, version);
  }

  absl::Status Directed(const Word& direction) {
    const bool src = direction.text == "src";
    const Word word = Take();
    if (word.text == "port") return Port(word, src ? filter_.src_port : filter_.dst_port);
    if (word.text == "host" || word.text == "net") {
      return Addresses(word, src ? filter_.src : filter_.dst);
    }
    return Wrong(word, fmt::format("after \"{}\" accepted are port, host and net", direction.text));
  }

  absl::Status Port(const Word& word, std::optional<uint16_t>& into) {
    ports_ = word;
    ASSIGN_OR_RETURN(const uint64_t port, Number(Take(), 1, 65535));
    return Set(into, word, port);
  }

  absl::Status Addresses(const Word& word, std::optional<PacketNet>& into) {
    ASSIGN_OR_RETURN(const PacketNet net, word.text == "host" ? Host(Take()) : Net(Take()));
    if (net.prefix_bits > 0) needs_.push_back({word, IsV4(net) ? 4 : 6});
    return Set(into, word, net);
  }

  absl::Status Place(const Word& word) {
    if (word.text == "dev") {
      const Word name = Take();
      if (!name.text.empty() && name.text.size() <= kMaxDevice) {
        return Set(filter_.device, word, std::string(name.text));
      }
      return Wrong(name, fmt::format("accepted is a device's name of 1 to {} bytes", kMaxDevice));
    }
    if (word.text == "reason") return Reason(word);
    if (word.text == "netns") {
      ASSIGN_OR_RETURN(const uint64_t inode, Number(Take(), 1, UINT32_MAX));
      return Set(filter_.netns, word, inode);
    }
    return Wrong(word, kTerms);
  }

  absl::Status Reason(const Word& word) {
    Word name = Take();
    if (name.text.starts_with(kReasonPrefix)) name.text.remove_prefix(kReasonPrefix.size());
    if (IsReason(name.text)) return Set(filter_.reason, word, std::string(name.text));
    return Wrong(name, "accepted is the kernel's name of a reason, such as NETFILTER_DROP");
  }

  // What no packet can be.
  absl::Status CheckVersions() const {
    for (const auto& [word, version] : needs_) {
      if (version == needs_.front().version) continue;
      return Wrong(word, fmt::format("IPv{}, but column {} says IPv{}", version,
                                     needs_.front().word.column, needs_.front().version));
    }
    const uint8_t protocol = filter_.protocol.value_or(6);
    if (ports_.has_value() && protocol != 6 && protocol != 17) {
      return Wrong(*ports_, "only TCP and UDP have ports");
    }
    return absl::OkStatus();
  }

  struct Need {
    Word word;
    int version;
  };
  const std::vector<Word> words_;
  size_t at_ = 0;
  PacketFilter filter_;
  std::vector<Need> needs_;  // of a version of IP
  std::optional<Word> ports_;
};

}  // namespace

absl::StatusOr<PacketFilter> ParsePacketFilter(std::string_view text) {
  if (text.size() > kMaxText) {
    return InvalidArgument(fmt::format("column {}: accepted are {} bytes", kMaxText + 1, kMaxText));
  }
  return Parser(text).Parse();
}

}  // namespace huatuo
