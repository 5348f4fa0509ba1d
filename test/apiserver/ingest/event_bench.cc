// What an event costs the server beside the network: `event_bench CAPTURED [BATCH]` reads the
// events that huatuo-fleet has captured of a collector and takes them from bytes to a document in a
// store in memory, so many in a message. Beside it, in turn, protobuf's own printer makes JSON of
// the same bytes.
//
// CPU time of the thread. What is printed is the median of the turns, for one event.
#include <fmt/format.h>
#include <google/protobuf/arena.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "apiserver/ingest/entries.h"
#include "apiserver/store/memory_store.h"
#include "common/id.h"
#include "test/fleet/capture.h"

namespace huatuo {
namespace {

constexpr int kTurns = 41;
constexpr uint64_t kEvents = 4000;  // of a turn
constexpr int64_t kTimeNs = 1'795'000'000'250'000'000;

int64_t CpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

v1::Hello HelloOf() {
  v1::Hello hello;
  hello.set_node("node-1");
  hello.set_region("default");
  hello.set_hostname("node-1");
  hello.set_epoch(RandomId());
  hello.set_next_sequence(1);
  return hello;
}

std::vector<std::string> MessagesOf(const Captured& captured, uint64_t batch) {
  std::vector<std::string> messages;
  v1::FromNode message;
  for (uint64_t sequence = 1; sequence <= kEvents; ++sequence) {
    v1::Entry& entry = *message.mutable_entries()->add_entries();
    entry.set_sequence(sequence);
    *entry.mutable_event() = captured.events[sequence % captured.events.size()];
    entry.mutable_event()->set_tracer_id(RandomId());
    entry.mutable_event()->clear_task_id();
    if (sequence % batch != 0 && sequence != kEvents) continue;
    messages.push_back(message.SerializeAsString());
    message.Clear();
  }
  return messages;
}

const v1::EntryBatch& Parse(const std::string& bytes, google::protobuf::Arena& arena) {
  auto& message = *google::protobuf::Arena::CreateMessage<v1::FromNode>(&arena);
  if (!message.ParseFromString(bytes)) std::abort();
  return message.entries();
}

void Only(const std::vector<std::string>& messages) {
  for (const std::string& bytes : messages) {
    google::protobuf::Arena arena;
    Parse(bytes, arena);
  }
}

std::vector<NodeCommit> Documents(const std::vector<std::string>& messages,
                                  const std::shared_ptr<const v1::Catalog>& catalog) {
  EntryReader reader(HelloOf(), catalog, {}, 0);
  std::vector<NodeCommit> commits;
  for (const std::string& bytes : messages) {
    google::protobuf::Arena arena;
    auto batch = reader.Read(Parse(bytes, arena), kTimeNs);
    if (!batch.ok() || !batch->commit.rejected.empty()) std::abort();
    commits.push_back(std::move(batch->commit));
  }
  return commits;
}

void Print(const std::vector<std::string>& messages) {
  std::string json;
  for (const std::string& bytes : messages) {
    google::protobuf::Arena arena;
    for (const v1::Entry& entry : Parse(bytes, arena).entries()) {
      json.clear();
      if (!google::protobuf::util::MessageToJsonString(entry, &json).ok()) std::abort();
    }
  }
}

struct Way {
  const char* name;
  std::function<void()> turn;
  std::vector<double> ns = {};
};

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void Run(const Captured& captured, uint64_t batch) {
  const auto catalog = std::make_shared<const v1::Catalog>(captured.catalog);
  const std::vector<std::string> messages = MessagesOf(captured, batch);
  uint64_t bytes = 0;
  for (const std::string& message : messages) bytes += message.size();
  uint64_t document_bytes = 0;
  for (const NodeCommit& commit : Documents(messages, catalog)) {
    for (const EventRow& row : commit.events) document_bytes += row.document.size();
  }
  fmt::print("{} kinds of events, {} in a message: {} bytes on the wire, {} as a document\n",
             captured.events.size(), batch, bytes / kEvents, document_bytes / kEvents);
  Way ways[] = {{"parse", [&] { Only(messages); }},
                {"parse, document", [&] { Documents(messages, catalog); }},
                {"parse, document, store in memory",
                 [&] {
                   MemoryStore store;
                   if (!store.Append(Documents(messages, catalog)).ok()) std::abort();
                 }},
                {"parse, protobuf's JSON printer", [&] { Print(messages); }}};
  // The C library takes shorter ways in a process of one thread.
  const std::jthread another([](const std::stop_token& stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  });
  for (int turn = 0; turn < kTurns; ++turn) {
    for (Way& way : ways) {
      const int64_t began = CpuNs();
      way.turn();
      way.ns.push_back(static_cast<double>(CpuNs() - began) / kEvents);
    }
  }
  for (const Way& way : ways) {
    fmt::print("{:34} {:7.0f} ns an event, {:4.2f} of the printer's\n", way.name, Median(way.ns),
               Median(way.ns) / Median(ways[3].ns));
  }
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: event_bench CAPTURED [BATCH]\n");
    return 2;
  }
  const auto captured = huatuo::ReadCaptured(argv[1]);
  if (!captured.ok()) {
    fmt::print(stderr, "event_bench: {}\n", captured.status().ToString());
    return 1;
  }
  huatuo::Run(*captured, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 300);
  return 0;
}
