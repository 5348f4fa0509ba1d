#include "collector/ship/outbox.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "collector/ship/heartbeat.h"
#include "fixtures.h"

namespace huatuo {
namespace {

std::unique_ptr<Outbox> OpenOutbox(const OutboxOptions& options, Disk& disk = Disk::Real()) {
  auto outbox = Outbox::Open(options, Clock::Real(), disk);
  REQUIRE(outbox.ok());
  return *std::move(outbox);
}

std::vector<v1::Entry> ReadAll(Outbox& outbox) {
  v1::EntryBatch batch;
  while (outbox.Read({}, &batch) > 0) {
  }
  return {batch.entries().begin(), batch.entries().end()};
}

void PushMany(Outbox& outbox, int count) {
  for (int i = 1; i <= count; ++i) {
    outbox.Push(MakeEvent(std::to_string(i), 100));
  }
}

}  // namespace

TEST_CASE("an event is numbered, named and given out at once, stuck disk or not") {
  Folder folder;
  BadDisk disk;
  disk.SetStuck(true);
  auto outbox = OpenOutbox({.spool = {.folder = folder.path()}}, disk);
  CHECK(outbox->Begin().next_sequence == 1);
  outbox->Push(MakeEvent("a"));
  std::vector<v1::Entry> entries = ReadAll(*outbox);
  CHECK(Text(entries) == "1");
  CHECK(entries[0].event().tracer_id().size() == 16);
  CHECK(!outbox->Drained());
  CHECK(outbox->InFlight() == 1);
  CHECK(outbox->Ack(1).ok());
  CHECK(outbox->Drained());
  CHECK(Message(outbox->Ack(2)) == "ack of 2, sent up to 1");
  disk.SetStuck(false);
}

TEST_CASE("a stuck disk fills a counted bound; when it works again the rest is written") {
  Folder folder;
  BadDisk disk;
  disk.SetStuck(true);
  std::string epoch;
  std::string text;
  {
    auto outbox = OpenOutbox({.spool = {.folder = folder.path()}, .memory_entries = 1000}, disk);
    epoch = outbox->Begin().epoch;
    PushMany(*outbox, 10007);
    CHECK(outbox->Count().memory_entries <= 1000);
    std::vector<v1::Entry> entries = ReadAll(*outbox);
    REQUIRE(Contiguous(entries, 1));
    CHECK(entries.back().sequence() == 10007);
    CHECK(outbox->losses().Get(Losses::kMemoryFull) == GapSize(entries));
    CHECK(GapSize(entries) > 8000);
    text = Text(entries);
    disk.SetStuck(false);
  }
  auto next = OpenOutbox({.spool = {.folder = folder.path()}});
  REQUIRE(next->Begin().epoch == epoch);
  CHECK(Text(ReadAll(*next)) == text);
}

TEST_CASE("what is replaced while in flight is lost only when it did not arrive") {
  Folder folder;
  BadDisk disk;
  disk.SetStuck(true);
  auto outbox = OpenOutbox({.spool = {.folder = folder.path()}, .memory_entries = 1000}, disk);
  outbox->Begin();
  PushMany(*outbox, 600);
  REQUIRE(ReadAll(*outbox).size() == 600);
  PushMany(*outbox, 1400);
  const uint64_t lost = outbox->losses().Get(Losses::kMemoryFull);
  SECTION("acks come late") {
    CHECK(outbox->Ack(250).ok());
    CHECK(outbox->Ack(600).ok());
  }
  SECTION("the next stream says that all arrived") {
    outbox->Begin();
    CHECK(outbox->Resume(600).ok());
  }
  SECTION("the next stream says that some arrived") {
    outbox->Begin();
    CHECK(outbox->Resume(250).ok());
    CHECK(outbox->losses().Get(Losses::kMemoryFull) > lost);
  }
  CHECK(lost > 0);
  const std::vector<v1::Entry> rest = ReadAll(*outbox);
  CHECK(rest.back().sequence() == 2000);
  CHECK(outbox->losses().Get(Losses::kMemoryFull) == GapSize(rest));
  disk.SetStuck(false);
}

TEST_CASE("a full disk is tried again with back-off and recovers by itself") {
  Folder folder;
  BadDisk disk;
  auto outbox = OpenOutbox({.spool = {.folder = folder.path()},
                            .retry_min = std::chrono::milliseconds(5),
                            .retry_max = std::chrono::milliseconds(40)},
                           disk);
  outbox->Begin();
  disk.SetFull(true);
  PushMany(*outbox, 1);
  REQUIRE(Eventually([&] { return outbox->Count().spool_errors >= 4; }));
  CHECK(outbox->Count().spool_failing);
  CHECK(disk.writes() <= 10);
  PushMany(*outbox, 500);
  disk.SetFull(false);
  REQUIRE(Eventually([&] { return outbox->Count().spool.entries == 501; }));
  CHECK(!outbox->Count().spool_failing);
  CHECK(Text(ReadAll(*outbox)) == "1..501");
  CHECK(outbox->losses().Get(Losses::kMemoryFull) == 0);
}

TEST_CASE("a disk that recovers while there is nothing to write is noticed all the same") {
  Folder folder;
  BadDisk disk;
  auto outbox = OpenOutbox({.spool = {.folder = folder.path()},
                            .retry_min = std::chrono::milliseconds(5),
                            .retry_max = std::chrono::milliseconds(20)},
                           disk);
  outbox->Begin();
  disk.SetFull(true);
  PushMany(*outbox, 1);
  REQUIRE(Eventually([&] { return outbox->Count().spool_failing; }));
  CHECK(Text(ReadAll(*outbox)) == "1");
  REQUIRE(outbox->Ack(1).ok());
  const uint64_t errors = outbox->Count().spool_errors;
  REQUIRE(Eventually([&] { return outbox->Count().spool_errors >= errors + 3; }));
  CHECK(outbox->Count().spool_failing);
  disk.SetFull(false);
  CHECK(Eventually([&] { return !outbox->Count().spool_failing; }));
}

TEST_CASE("what left memory is read back from the spool, in order") {
  Folder folder;
  auto outbox = OpenOutbox(
      {.spool = {.folder = folder.path(), .segment_bytes = 16 << 10}, .memory_entries = 10});
  outbox->Begin();
  for (int i = 1; i <= 2003; ++i) {
    PushMany(*outbox, 1);
    REQUIRE(Eventually([&] { return outbox->Count().spool.entries == static_cast<uint64_t>(i); }));
  }
  CHECK(outbox->Count().memory_entries <= 10);
  CHECK(Text(ReadAll(*outbox)) == "1..2003");
  CHECK(outbox->Ack(2003).ok());
  CHECK(outbox->Drained());
}

TEST_CASE("a new stream goes on after what the server has") {
  Folder folder;
  auto outbox = OpenOutbox({.spool = {.folder = folder.path()}});
  PushMany(*outbox, 20);
  outbox->Begin();
  ReadAll(*outbox);
  CHECK(outbox->Begin().next_sequence == 1);
  CHECK(outbox->Resume(12).ok());
  CHECK(Text(ReadAll(*outbox)) == "13..20");
  CHECK(outbox->Begin().next_sequence == 13);
  CHECK(Message(outbox->Resume(21)) == "welcome: high_water 21 of 20 entries");
}

TEST_CASE("a server that forgot what it acked is told so") {
  Folder folder;
  auto outbox = OpenOutbox({.spool = {.folder = folder.path()}});
  PushMany(*outbox, 20);
  outbox->Begin();
  ReadAll(*outbox);
  CHECK(outbox->Ack(15).ok());
  outbox->Begin();
  CHECK(outbox->Resume(4).ok());
  CHECK(Text(ReadAll(*outbox)) == "5-15:server_lost 16..20");
  CHECK(outbox->losses().Get(Losses::kServerLost) == 11);
}

TEST_CASE("an entry that no batch can carry becomes a gap") {
  Folder folder;
  auto outbox = OpenOutbox({.spool = {.folder = folder.path()}});
  outbox->Begin();
  outbox->Push(MakeEvent("a"));
  outbox->Push(MakeEvent("b", 2 << 20));
  outbox->Push(MakeEvent("c"));
  CHECK(Text(ReadAll(*outbox)) == "1 2-2:too_large 3");
  CHECK(outbox->losses().Get(Losses::kTooLarge) == 1);
}

namespace {

std::string Since(const ManualClock& clock, const std::string& path, const std::string& boot) {
  auto record = SinceHeartbeat(path, clock, boot);
  return !record ? "none"
                 : fmt::format("[{},{}) {}", record->from_ns(), record->to_ns(), record->cause());
}

}  // namespace

TEST_CASE("the time that no process watched, whatever the clock says") {
  Folder folder;
  ManualClock clock;
  const std::string path = folder / "heartbeat";
  const int64_t year2026 = 1'770'000'000'000'000'000;
  clock.wall_ns = year2026;
  clock.boot_ns = 500;
  CHECK(Since(clock, path, "boot-a") == "none");
  REQUIRE(WriteHeartbeat(path, clock, "boot-a", Disk::Real()).ok());
  clock.Advance(70);
  CHECK(Since(clock, path, "boot-a") == "[1770000000000000000,1770000000000000070) stopped");
  CHECK(Since(clock, path, "boot-b") == "[1770000000000000000,1770000000000000070) stopped");
  clock.wall_ns = 1000;
  CHECK(Since(clock, path, "boot-a") == "[930,1000) stopped");
  CHECK(Since(clock, path, "boot-b") == "[1000,1000) stopped, clock changed");
  std::ofstream(path) << "garbage";
  CHECK(Since(clock, path, "boot-a") == "none");
}

TEST_CASE("the next process says since when nobody watched") {
  Folder folder;
  OutboxOptions options{.spool = {.folder = folder.path()}, .boot_id = "boot"};
  { OpenOutbox(options); }
  auto outbox = OpenOutbox(options);
  outbox->Begin();
  CHECK(Text(ReadAll(*outbox)) == "1:not_observed");
}

namespace {

// In a child with a mount namespace of its own. Returns what went wrong, 0 for nothing.
int FillTmpfs(const std::string& folder) {
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", folder.c_str(), "tmpfs", 0, "size=256k") != 0) {
    return 77;
  }
  auto outbox = Outbox::Open(
      {.spool = {.folder = folder + "/spool"}, .retry_max = std::chrono::milliseconds(200)},
      Clock::Real());
  if (!outbox.ok()) {
    return 1;
  }
  (*outbox)->Begin();
  PushMany(**outbox, 100);
  if (!Eventually([&] { return (*outbox)->Count().spool.entries == 100; })) {
    return 2;
  }
  std::ofstream(folder + "/filler") << std::string(256 << 10, 'x') << std::flush;
  PushMany(**outbox, 1000);
  if (!Eventually([&] { return (*outbox)->Count().spool_failing; })) {
    return 3;
  }
  std::filesystem::remove(folder + "/filler");
  if (!Eventually([&] { return (*outbox)->Count().spool.entries == 1100; })) {
    return 4;
  }
  return Text(ReadAll(**outbox)) == "1..1100" ? 0 : 5;
}

}  // namespace

TEST_CASE("[host] a tmpfs that is full keeps what it has and takes the rest when there is room") {
  Folder folder;
  pid_t child = fork();
  if (child == 0) {
    _exit(FillTmpfs(folder.path()));
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WEXITSTATUS(status) == 77) {
    WARN("skipped: no permission to mount a tmpfs in a private namespace");
    return;
  }
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace huatuo
