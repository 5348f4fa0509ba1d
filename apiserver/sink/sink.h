// Where committed events go beside the store: files, queues, search engines. One file each.
//
// A sink is a reader of the store like any other: its follower (follower.h) reads what is beyond a
// position and hands it on, so that a sink never touches ingest, needs no memory but one batch, and
// loses nothing while it is away, as long as the store still has it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/store/store.h"

namespace huatuo {

class Sink {
 public:
  virtual ~Sink() = default;

  // One word: the label of its metrics, and the key of its position. Never changes.
  virtual std::string_view name() const = 0;

  // Hands all of the events on, in order, and returns how many of them can never be taken (too
  // large), which are left out. Blocks as long as it takes, with a limit. An error: nothing is
  // known to have arrived, and the same events come again; so whoever reads a sink may see an event
  // twice, with the same tracer_id. Called by one thread.
  virtual absl::StatusOr<uint64_t> Deliver(std::span<const StoredEvent> events) = 0;
};

}  // namespace huatuo
