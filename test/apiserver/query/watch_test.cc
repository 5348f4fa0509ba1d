#include <fmt/format.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

std::string Message(uint64_t position, const std::string& tracer = "oom") {
  return fmt::format("id: {}\nevent: event\ndata: {}\n\n", position,
                     EventDocument(tracer, "n1", std::to_string(position)));
}

uint64_t Add(Bed& bed, const std::string& tracer = "oom") {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const uint64_t position = bed.querier.Newest().value() + 1;
  bed.querier.Append(tracer, "n1", std::to_string(position));
  bed.commits.Notify();
  return position;
}

struct Follower {
  Follower(Bed& bed, const std::string& query, const std::string& headers = "")
      : client(bed.server->address()) {
    client.Send("GET /api/v1/events/watch" + query + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n");
    head = ParseHead(client.ReadThrough("\r\n\r\n"));
  }
  std::string Next() { return client.ReadThrough("\n\n"); }
  Client client;
  Answer head;
};

TEST_CASE("a watch begins now, or where it is told to") {
  Bed bed;
  Add(bed);
  Add(bed);
  Follower now(bed, "");
  CHECK(now.head.status == 200);
  CHECK(now.head.headers.at("content-type") == "text/event-stream");
  CHECK(now.Next() == "retry: 1000\nid: 2\n\n");
  Follower after(bed, "?after=1");
  CHECK(after.Next() == "retry: 1000\nid: 1\n\n");
  CHECK(after.Next() == Message(2));
  Follower resumed(bed, "?after=0", "Last-Event-ID: 1\r\n");
  CHECK(resumed.Next() == "retry: 1000\nid: 1\n\n");
  CHECK(resumed.Next() == Message(2));
  Follower all(bed, "?after=0");
  CHECK(all.Next() == "retry: 1000\nid: 0\n\n");
  CHECK(all.Next() == Message(1));
  CHECK(all.Next() == Message(2));
  Add(bed);
  CHECK(now.Next() == Message(3));
  CHECK(after.Next() == Message(3));
}

TEST_CASE("a watch sends what its filter accepts") {
  Bed bed;
  Follower follower(bed, "?tracer=softirq");
  follower.Next();
  Add(bed, "oom");
  Add(bed, "softirq");
  Add(bed, "oom");
  Add(bed, "softirq");
  CHECK(follower.Next() == Message(2, "softirq"));
  CHECK(follower.Next() == Message(4, "softirq"));
}

TEST_CASE("bad positions are named") {
  Bed bed;
  CHECK(
      bed.Text("/api/v1/events/watch?after=x") ==
      R"(400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"bad value \"x\"",)"
      R"("parameter":"after","accepted":"an integer from 0 to 18446744073709551615"})");
  CHECK(Bed::TextOf(bed.Get("/api/v1/events/watch", "Last-Event-ID: x\r\n")) ==
        R"(400 {"type":"about:blank","title":"Bad Request","status":400,"detail":"bad header",)"
        R"("parameter":"Last-Event-ID","accepted":"the id of a message"})");
  CHECK(bed.Get("/api/v1/events/watch?limit=5").status == 400);
}

TEST_CASE("heartbeats move the id past rows that the filter leaves out") {
  ApiOptions options;
  options.server.heartbeat = std::chrono::milliseconds(20);
  Bed bed(options);
  Follower follower(bed, "?tracer=none");
  CHECK(follower.Next() == "retry: 1000\nid: 0\n\n");
  Add(bed);
  std::string beat;
  do {
    beat = follower.Next();
  } while (beat == ": heartbeat\nid: 0\n\n");
  CHECK(beat == ": heartbeat\nid: 1\n\n");
}

TEST_CASE("reconnecting clients see each event once while two writers append") {
  constexpr uint64_t kEvents = 3001;
  Bed bed;
  std::atomic<uint64_t> left = kEvents;
  const auto write = [&] {
    while (true) {
      uint64_t now = left;
      while (now > 0 && !left.compare_exchange_weak(now, now - 1)) {
      }
      if (now == 0) return;
      Add(bed);
    }
  };
  std::thread one(write);
  std::thread two(write);
  uint64_t last = 0;
  uint64_t wrong = 0;
  uint64_t connections = 0;
  while (last < kEvents) {
    Follower follower(bed, "?after=0", fmt::format("Last-Event-ID: {}\r\n", last));
    follower.Next();
    ++connections;
    for (int i = 0; i < 97 && last < kEvents; ++i) {
      const std::string message = follower.Next();
      wrong += message == Message(last + 1) ? 0 : 1;
      if (message.empty()) break;
      ++last;
    }
    REQUIRE(wrong == 0);
  }
  one.join();
  two.join();
  CHECK(connections == (kEvents + 96) / 97);
}

TEST_CASE("a client that does not read is ended, and resumes exactly") {
  ApiOptions options;
  options.server.stall_timeout = std::chrono::milliseconds(200);
  Bed bed(options);
  Follower follower(bed, "");
  follower.Next();
  constexpr uint64_t kEvents = 40'009;  // more than the buffers of both sockets hold
  for (uint64_t i = 0; i < kEvents; ++i) bed.querier.Append("oom", "n1", std::to_string(i + 1));
  bed.commits.Notify();
  CHECK(bed.Reaches("huatuo_apiserver_http_watches_slow_total", 1));
  CHECK(bed.Reaches("huatuo_apiserver_http_watches", 0));
  uint64_t last = 0;
  while (follower.Next() == Message(last + 1)) ++last;
  CHECK(last > 0);
  CHECK(last < kEvents);
  Follower resumed(bed, "", fmt::format("Last-Event-ID: {}\r\n", last));
  resumed.Next();
  CHECK(resumed.Next() == Message(last + 1));
}

TEST_CASE("a store that fails is asked again") {
  Bed bed;
  Follower follower(bed, "");
  follower.Next();
  // Before there is a row: a look that has begun would find it.
  bed.querier.Fail(absl::UnavailableError("locked"));
  bed.querier.Append("oom", "n1", "1");
  bed.commits.Notify();
  CHECK(bed.Passes("huatuo_apiserver_http_watch_errors_total", 1));
  bed.querier.Fail(absl::OkStatus());
  bed.commits.Notify();
  CHECK(follower.Next() == Message(1));
}

TEST_CASE("shutdown tells the streams") {
  Bed bed;
  Follower follower(bed, "");
  follower.Next();
  bed.server->Shutdown();
  CHECK(follower.client.ReadAll() == "event: end\ndata: {\"reason\":\"the server stops\"}\n\n");
  CHECK(bed.Reaches("huatuo_apiserver_http_watches", 0));
}

TEST_CASE("from commit to client: a few milliseconds") {
  Bed bed;
  Follower follower(bed, "");
  follower.Next();
  std::vector<double> ms;
  for (int i = 0; i < 101; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const uint64_t position = Add(bed);
    REQUIRE(follower.Next() == Message(position));
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
                     .count());
  }
  std::sort(ms.begin(), ms.end());
  std::printf("commit to client: median %.2f ms, largest %.2f ms\n", ms[50], ms[100]);
  CHECK(ms[50] < 20);
}

TEST_CASE("a subscription that ended is not called") {
  CommitSignal signal;
  int calls = 0;
  CommitSignal::Subscription subscription = signal.Subscribe([&] { ++calls; });
  signal.Notify();
  subscription.Reset();
  signal.Notify();
  CHECK(calls == 1);
  CHECK(signal.version() == 2);
}

}  // namespace
}  // namespace huatuo
