#include "collector/ship/spool.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <random>

#include "fixtures.h"

namespace huatuo {
namespace {

std::unique_ptr<Spool> OpenSpool(const SpoolOptions& options, Losses& losses) {
  auto spool = Spool::Open(options, Disk::Real(), losses);
  REQUIRE(spool.ok());
  return *std::move(spool);
}

void AppendAll(Spool& spool, uint64_t first, uint64_t last, size_t padding = 0) {
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    SharedRecord record = MakeRecord(sequence, padding);
    size_t written = 0;
    REQUIRE(spool.Append({&record, 1}, &written).ok());
    REQUIRE(written == 1);
  }
}

std::vector<v1::Entry> ReadAll(Spool& spool, const std::string& epoch, uint64_t first = 1) {
  std::vector<v1::Entry> entries;
  while (true) {
    std::vector<Record> records = spool.Read(epoch, first, {.entries = 100, .bytes = 64 << 10});
    if (records.empty()) {
      return entries;
    }
    for (const Record& record : records) {
      entries.push_back(EntryOf(record, record.first));
      first = record.sequence + 1;
    }
  }
}

std::string OnlySegment(const std::string& folder) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (file.path().extension() == ".seg") {
      return file.path();
    }
  }
  return "";
}

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("what is not acked is there for the next process, in its own epoch") {
  Folder folder;
  Losses losses;
  std::string epoch;
  {
    auto spool = OpenSpool({.folder = folder.path()}, losses);
    epoch = spool->epoch();
    CHECK(epoch.size() == 16);
    AppendAll(*spool, 1, 7);
    CHECK(Text(ReadAll(*spool, epoch)) == "1..7");
    spool->Ack(epoch, 3);
    CHECK(spool->use().entries == 4);
    spool->Close();
  }
  auto spool = OpenSpool({.folder = folder.path()}, losses);
  CHECK(spool->epoch() != epoch);
  REQUIRE(spool->Oldest() == epoch);
  CHECK(spool->Acked(epoch) == 3);
  CHECK(Text(ReadAll(*spool, epoch, 4)) == "4..7");
  spool->Ack(epoch, 7);
  spool->Release();
  CHECK(spool->Oldest() == spool->epoch());
  CHECK(spool->use().bytes == 0);
  CHECK(OnlySegment(folder.path()).empty());
}

TEST_CASE("one process has the folder") {
  Folder folder;
  Losses losses;
  auto spool = OpenSpool({.folder = folder.path()}, losses);
  auto second = Spool::Open({.folder = folder.path()}, Disk::Real(), losses);
  CHECK(Message(second.status()) == "spool " + folder.path() + ": another process is using it");
}

TEST_CASE("a full spool gives up the oldest, exactly counted, also for the next process") {
  Folder folder;
  Losses losses;
  SpoolOptions options{
      .folder = folder.path(), .limit_bytes = 256 << 10, .segment_bytes = 32 << 10};
  std::string epoch;
  std::string text;
  {
    auto spool = OpenSpool(options, losses);
    epoch = spool->epoch();
    AppendAll(*spool, 1, 1009, 1000);
    CHECK(spool->use().bytes <= options.limit_bytes);
    std::vector<v1::Entry> entries = ReadAll(*spool, epoch);
    REQUIRE(Contiguous(entries, 1));
    CHECK(entries.back().sequence() == 1009);
    REQUIRE(entries.front().has_gap());
    CHECK(entries.front().gap().cause() == "spool_full");
    CHECK(entries.front().gap().from_ns() == 10);
    CHECK(entries.front().gap().to_ns() == static_cast<int64_t>(entries.front().sequence() * 10));
    CHECK(losses.Get(Losses::kSpoolFull) == GapSize(entries));
    CHECK(entries.size() - 1 + GapSize(entries) == 1009);
    text = Text(entries);
  }
  auto spool = OpenSpool(options, losses);
  CHECK(Text(ReadAll(*spool, epoch)) == text);
}

TEST_CASE("acked entries are not lost when room is made") {
  Folder folder;
  Losses losses;
  auto spool = OpenSpool(
      {.folder = folder.path(), .limit_bytes = 64 << 10, .segment_bytes = 8 << 10}, losses);
  for (uint64_t sequence = 1; sequence <= 500; ++sequence) {
    AppendAll(*spool, sequence, sequence, 1000);
    spool->Ack(spool->epoch(), sequence);
  }
  CHECK(losses.Get(Losses::kSpoolFull) == 0);
  CHECK(spool->use().entries == 0);
}

TEST_CASE("a jump over what was acked before it was written is no hole") {
  Folder folder;
  Losses losses;
  std::string epoch;
  {
    auto spool = OpenSpool({.folder = folder.path()}, losses);
    epoch = spool->epoch();
    AppendAll(*spool, 1, 3);
    AppendAll(*spool, 10, 12);
    CHECK(spool->use().entries == 3);
  }
  auto spool = OpenSpool({.folder = folder.path()}, losses);
  CHECK(spool->Acked(epoch) == 9);
  CHECK(Text(ReadAll(*spool, epoch, 10)) == "10..12");
}

TEST_CASE("every damaged byte costs one entry, and it is said which") {
  Folder folder;
  Losses ignored;
  std::string epoch;
  {
    auto spool = OpenSpool({.folder = folder / "a"}, ignored);
    epoch = spool->epoch();
    AppendAll(*spool, 1, 5);
  }
  std::string path = OnlySegment(folder / "a");
  const std::string sound = Bytes(path);
  const size_t frame = sound.size() / 5;
  for (size_t offset = 0; offset < sound.size(); ++offset) {
    std::string damaged = sound;
    damaged[offset] = static_cast<char>(damaged[offset] ^ 0x5A);
    WriteBytes(path, damaged);
    Losses losses;
    auto spool = OpenSpool({.folder = folder / "a"}, losses);
    size_t bad = offset / frame + 1;
    std::string expected;
    for (size_t i = 1; i <= 5; ++i) {
      v1::Entry entry = EntryOf(*MakeRecord(i), i);
      expected += (i == 1 ? "" : " ");
      expected += i == bad ? fmt::format("{}-{}:spool_corrupt", i, i) : Text(entry);
    }
    std::string text;
    for (const v1::Entry& entry : ReadAll(*spool, epoch)) {
      text += (text.empty() ? "" : " ") + Text(entry);
    }
    INFO("offset " << offset);
    REQUIRE(text == expected);
    REQUIRE(losses.Get(Losses::kSpoolCorrupt) == 1);
  }
}

TEST_CASE("a file that was cut anywhere ends with its last whole frame") {
  Folder folder;
  Losses losses;
  std::string epoch;
  {
    auto spool = OpenSpool({.folder = folder / "a"}, losses);
    epoch = spool->epoch();
    AppendAll(*spool, 1, 5);
  }
  std::string path = OnlySegment(folder / "a");
  const std::string sound = Bytes(path);
  const size_t frame = sound.size() / 5;
  for (size_t size = sound.size() - 1; size >= frame; --size) {
    WriteBytes(path, sound.substr(0, size));
    auto spool = OpenSpool({.folder = folder / "a"}, losses);
    std::vector<v1::Entry> entries = ReadAll(*spool, epoch);
    REQUIRE(entries.size() == size / frame);
    REQUIRE(Contiguous(entries, 1));
    REQUIRE(GapSize(entries) == 0);
  }
  CHECK(losses.Get(Losses::kSpoolCorrupt) == 0);
}

TEST_CASE("lost marks and a lost segment are gaps") {
  Folder folder;
  Losses losses;
  SpoolOptions options{.folder = folder.path(), .segment_bytes = 1};
  std::string epoch;
  {
    auto spool = OpenSpool(options, losses);
    epoch = spool->epoch();
    AppendAll(*spool, 1, 6);
    spool->Ack(epoch, 2);
    spool->Release();
  }
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path())) {
    if (file.path().filename() == "marks") {
      WriteBytes(file.path(), "nonsense");
    }
    if (file.path().filename().string().ends_with("4.seg")) {
      std::filesystem::remove(file.path());
    }
  }
  auto spool = OpenSpool(options, losses);
  CHECK(Text(ReadAll(*spool, epoch)) == "1-2:spool_corrupt 3 4-4:spool_corrupt 5..6");
  CHECK(losses.Get(Losses::kSpoolCorrupt) == 3);
}

TEST_CASE("a partial write is taken back and done again") {
  Folder folder;
  Losses losses;
  BadDisk disk;
  auto spool = Spool::Open({.folder = folder.path()}, disk, losses);
  REQUIRE(spool.ok());
  std::vector<SharedRecord> records = {MakeRecord(1), MakeRecord(2), MakeRecord(3), MakeRecord(4)};
  size_t written = 0;
  disk.SetFull(true);
  CHECK(!(*spool)->Append(records, &written).ok());
  CHECK(written == 2);
  disk.SetFull(false);
  CHECK((*spool)->Append({records.begin() + 2, 2}, &written).ok());
  CHECK(Text(ReadAll(**spool, (*spool)->epoch())) == "1..4");
}

namespace {

// Appends for ever; tells each sequence only after Append returned.
[[noreturn]] void WriteUntilKilled(const std::string& folder, int report) {
  Losses losses;
  auto spool = Spool::Open({.folder = folder, .segment_bytes = 64 << 10}, Disk::Real(), losses);
  for (uint64_t sequence = 1; spool.ok(); ++sequence) {
    SharedRecord record = MakeRecord(sequence, sequence % 300);
    size_t written = 0;
    if (!(*spool)->Append({&record, 1}, &written).ok() ||
        write(report, &sequence, sizeof(sequence)) != sizeof(sequence)) {
      break;
    }
  }
  _exit(1);
}

// The last sequence that a child reported before it was killed after `reports` of them.
uint64_t KillWriter(const std::string& folder, int reports) {
  int pipes[2];
  REQUIRE(pipe(pipes) == 0);
  pid_t child = fork();
  if (child == 0) {
    WriteUntilKilled(folder, pipes[1]);
  }
  close(pipes[1]);
  uint64_t last = 0;
  for (int i = 0; i < reports; ++i) {
    REQUIRE(read(pipes[0], &last, sizeof(last)) == sizeof(last));
  }
  kill(child, SIGKILL);
  while (read(pipes[0], &last, sizeof(last)) == sizeof(last)) {
  }
  close(pipes[0]);
  waitpid(child, nullptr, 0);
  return last;
}

}  // namespace

TEST_CASE("20 killed writers lose nothing that was appended") {
  Folder folder;
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    uint64_t reported = KillWriter(folder.path(), std::uniform_int_distribution(1, 3000)(random));
    Losses losses;
    auto spool = OpenSpool({.folder = folder.path()}, losses);
    std::string epoch = spool->Oldest();
    REQUIRE(epoch != spool->epoch());
    std::vector<v1::Entry> entries = ReadAll(*spool, epoch);
    REQUIRE(Contiguous(entries, 1));
    REQUIRE(GapSize(entries) == 0);
    // The one that was appended but not yet reported may be there.
    REQUIRE(entries.size() >= reported);
    REQUIRE(entries.size() <= reported + 1);
    spool->Ack(epoch, entries.size());
    spool->Release();
    REQUIRE(spool->Oldest() == spool->epoch());
  }
}

}  // namespace huatuo
