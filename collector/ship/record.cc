#include "collector/ship/record.h"

namespace huatuo {

// A gap is written as an Entry and read as either.
static_assert(int{v1::Entry::kGapFieldNumber} == int{v1::ProfileEntry::kGapFieldNumber});

Record MakeGap(uint64_t first, uint64_t sequence, int64_t from_ns, int64_t to_ns,
               std::string_view cause) {
  v1::Entry entry;
  entry.mutable_gap()->set_cause(std::string(cause));
  entry.mutable_gap()->set_from_ns(from_ns);
  entry.mutable_gap()->set_to_ns(to_ns);
  return {.first = first,
          .sequence = sequence,
          .from_ns = from_ns,
          .to_ns = to_ns,
          .gap = true,
          .body = entry.SerializeAsString()};
}

template <typename Message>
Message EntryOf(const Record& record, uint64_t first) {
  Message entry;
  if (!entry.ParseFromString(record.body) || entry.body_case() == Message::BODY_NOT_SET) {
    entry.Clear();
    entry.mutable_gap()->set_cause("spool_corrupt");
    entry.mutable_gap()->set_from_ns(record.from_ns);
    entry.mutable_gap()->set_to_ns(record.to_ns);
  }
  entry.set_sequence(record.sequence);
  if (entry.has_gap()) {
    entry.mutable_gap()->set_first_sequence(first);
  }
  return entry;
}

template v1::Entry EntryOf(const Record& record, uint64_t first);
template v1::ProfileEntry EntryOf(const Record& record, uint64_t first);

}  // namespace huatuo
