// What real collectors send, kept in a file, to be what simulated ones send.
//
// The file is a v1.Catalog and then v1.Event messages, each behind its length as a little-endian
// u32.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct Captured {
  v1::Catalog catalog;
  std::vector<v1::Event> events;
};

// Listens at `address` and takes what one collector sends, until it has nothing more; then writes
// `path`. Prints the address as a line when it listens.
absl::Status Capture(const std::string& address, const std::string& path);

absl::StatusOr<Captured> ReadCaptured(const std::string& path);

}  // namespace huatuo
