// The files of /proc/<pid>/net as readings of rows.
//
// All parsers return nullopt for a text that was cut or is not of the expected form; what they
// return is valid until the next call. Not thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "collector/procfs/key_index.h"

namespace huatuo {

// snmp and netstat: a line with the names of a protocol's fields, then one with their values.
class PairedLines {
 public:
  // A row's key is "<Proto>_<Field>"; readings tell `first` + its place.
  PairedLines(std::span<const KeyRow> rows, size_t first);

  std::optional<std::span<const KeyReading>> Parse(std::string_view text);

 private:
  // The names of one line, whose rows are found only when it changes.
  struct Names {
    std::string line;
    std::vector<size_t> rows;
  };
  const Names& NamesOf(size_t number, std::string_view line);
  bool ParsePair(const Names& names, std::string_view values);

  absl::flat_hash_map<std::string, size_t> rows_;
  std::vector<Names> names_;  // by number of the pair
  std::vector<KeyReading> readings_;
};

// sockstat and sockstat6: "TCP: inuse 5 orphan 0". A row's key is "TCP_inuse".
class SocketCounts {
 public:
  explicit SocketCounts(std::span<const KeyRow> rows) : index_(rows) {}

  std::optional<std::span<const KeyReading>> Parse(std::string_view text);

 private:
  bool ParseLine(std::string_view line);

  KeyIndex index_;
  std::string key_;
  size_t position_ = 0;
  std::vector<KeyReading> readings_;
};

// arp: how many entries each device has.
struct DeviceEntries {
  std::string_view device;  // of the text
  double entries = 0;
};
class ArpTable {
 public:
  std::optional<std::span<const DeviceEntries>> Parse(std::string_view text);

 private:
  std::vector<DeviceEntries> devices_;
};

// stat/arp_cache: entries of all tables.
std::optional<double> ParseArpCache(std::string_view text);

// sys/net/ipv4/tcp_mem, udp_mem: the last of three numbers, in pages.
std::optional<double> ParseMemoryLimit(std::string_view text);

}  // namespace huatuo
