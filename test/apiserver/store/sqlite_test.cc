// What only the SQLite store has to promise: files of others, damage, a full disk, a kill.
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "apiserver/store/open_store.h"
#include "apiserver/store/sqlite_store.h"
#include "test/apiserver/store/fixture.h"

namespace huatuo {
namespace {

std::string Code(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }

std::string OpenError(const std::string& path) {
  const auto store = SqliteStore::Open(path);
  return Code(store.status()) + ": " + Message(store.status());
}

void Sql(const std::string& path, const std::string& sql) {
  const auto database = Get(Database::Open(path, 1000));
  REQUIRE(database->Execute(sql).ok());
}

struct Filled {
  uint64_t events = 0;
  absl::Status status;
};

// Appends events of 16 KiB behind `from`, ten at a time, until one append fails.
Filled Fill(Store& store, uint64_t from) {
  for (uint64_t s = from;; s += 10) {
    const NodeCommit commit = MakeCommit("n", s + 1, s + 10, 16384);
    const auto added = store.Append({&commit, 1});
    if (!added.ok()) return {s, added.status()};
  }
}

// A test's exception must not let the forked process go on as a second test run.
std::string Guarded(const std::function<std::string()>& body) {
  try {
    return body();
  } catch (...) {
    return "an assertion failed";
  }
}

// Runs `body` in a process of its own, with file systems that only it sees, and returns what it
// wrote; "cannot mount" when this user may not.
std::string InPrivateTmpfs(const std::string& folder, const std::function<std::string()>& body) {
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string out = "cannot mount";
    if (unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, nullptr) == 0 &&
        mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=40m") == 0) {
      out = Guarded(body);
    }
    _exit(write(pipe_ends[1], out.data(), out.size()) < 0 ? 1 : 0);
  }
  close(pipe_ends[1]);
  std::string out;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(pipe_ends[0], buffer, sizeof(buffer))) > 0;) {
    out.append(buffer, static_cast<size_t>(got));
  }
  close(pipe_ends[0]);
  waitpid(child, nullptr, 0);
  return out;
}

// Fills the disk, looks what is there, frees space, goes on, fills it again, prunes. Until it can
// be checkpointed all is in the WAL, hence the size of the second ballast.
std::string FullDisk(const std::string& folder) {
  std::ofstream(folder + "/ballast") << std::string(2 << 20, 'b');
  std::ofstream(folder + "/last") << std::string(2 << 20, 'b');
  std::ofstream(folder + "/large") << std::string(20 << 20, 'b');
  auto store = Get(SqliteStore::Open(folder + "/store.db"));
  const Filled full = Fill(*store, 0);
  std::string out = fmt::format("{}: {}\n", Code(full.status), Message(full.status));
  out += Sequences(All(*store)) == fmt::format("{0} events, 1 to {0}", full.events) ? "all there\n"
                                                                                    : "some lost\n";
  out += fmt::format("still full: {}\n", Fill(*store, full.events).events == full.events);
  std::filesystem::remove(folder + "/ballast");
  const Filled more = Fill(*store, full.events);
  out += fmt::format("with space: {}\n", more.events > full.events);
  std::filesystem::remove(folder + "/large");
  const uint64_t went = Get(store->Prune({0, 4 << 20}, 0));
  out += fmt::format("pruned: {}\n", went > 0 && Get(store->Use()).bytes <= 4 << 20);
  const Filled last = Fill(*store, more.events);
  store.reset();
  std::filesystem::remove(folder + "/last");
  store = Get(SqliteStore::Open(folder + "/store.db"));
  out += Sequences(All(*store)) ==
                 fmt::format("{} events, {} to {}", last.events - went, went + 1, last.events)
             ? "exact\n"
             : "not exact\n";
  return out;
}

// Appends events in small batches for ever, and writes the newest acknowledged sequence after each.
[[noreturn]] void AppendForEver(const std::string& path, int out, unsigned seed) {
  const auto store = SqliteStore::Open(path);
  if (!store.ok()) _exit(1);
  std::mt19937 random(seed);
  uint64_t newest = (*store)->HighWater("n", "e").value_or(0);
  while (true) {
    const uint64_t last = newest + 1 + random() % 7;
    const NodeCommit commit = MakeCommit("n", newest + 1, last, 700);
    if (!(*store)->Append({&commit, 1}).ok()) _exit(2);
    newest = last;
    if (write(out, &newest, sizeof(newest)) != sizeof(newest)) _exit(3);
  }
}

// Kills such a process after `acks` acknowledgements and some more microseconds; returns the last
// sequence that it acknowledged, 0 when it ended by itself.
uint64_t AppendAndKill(const std::string& path, int acks, unsigned microseconds) {
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) AppendForEver(path, pipe_ends[1], microseconds);
  close(pipe_ends[1]);
  uint64_t newest = 0;
  uint64_t value = 0;
  for (int i = 0; i < acks && read(pipe_ends[0], &value, sizeof(value)) == sizeof(value); ++i) {
    newest = value;
  }
  usleep(microseconds);  // where in an append the kill falls is the point
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  while (read(pipe_ends[0], &value, sizeof(value)) == sizeof(value)) newest = value;
  close(pipe_ends[0]);
  return WIFSIGNALED(status) ? newest : 0;
}

}  // namespace

TEST_CASE("sqlite: kill -9 at any moment loses and doubles nothing") {
  const TempDir folder;
  const std::string path = folder / "store.db";
  std::mt19937 random(4711);
  for (int round = 0; round < 20; ++round) {
    const uint64_t acknowledged =
        AppendAndKill(path, 1 + static_cast<int>(random() % 60), random() % 3000);
    REQUIRE(acknowledged > 0);
    const auto store = Get(SqliteStore::Open(path));
    const uint64_t high_water = Get(store->HighWater("n", "e"));
    CHECK(high_water >= acknowledged);
    CHECK(Sequences(All(*store)) == fmt::format("{0} events, 1 to {0}", high_water));
    CHECK(Get(store->Use()).events == high_water);
    REQUIRE(store->AwaitIndex().ok());
  }
}

TEST_CASE("sqlite: a file that is full refuses appends and keeps what it has") {
  const TempDir folder;
  const std::string path = folder / "store.db";
  const auto store = Get(SqliteStore::Open(path, {.max_pages = 500}));
  const Filled full = Fill(*store, 0);
  CHECK(Code(full.status) == "UNAVAILABLE");
  CHECK(Message(full.status) ==
        path + ": database or disk is full: free space there or lower the retention");
  CHECK(full.events > 50);
  CHECK(Sequences(All(*store)) == fmt::format("{0} events, 1 to {0}", full.events));
  CHECK(Get(store->HighWater("n", "e")) == full.events);
  CHECK(Get(store->Prune({0, 1 << 20}, 0)) > 0);
  CHECK(Fill(*store, full.events).events > full.events);
}

TEST_CASE("[host] sqlite: a full disk, and space again") {
  const TempDir folder;
  const std::string out =
      InPrivateTmpfs(folder.path(), [&folder] { return FullDisk(folder.path()); });
  if (out == "cannot mount") {
    WARN("skipped: needs the right to mount a tmpfs");
    return;
  }
  CHECK(out == fmt::format("UNAVAILABLE: {}/store.db: database or disk is full: free space there "
                           "or lower the retention\nall there\nstill full: true\nwith space: true\n"
                           "pruned: true\nexact\n",
                           folder.path()));
}

TEST_CASE("sqlite: files that are not ours are refused with a way out") {
  const TempDir folder;
  const std::string text = folder / "text";
  std::ofstream(text) << std::string(8192, 'x');
  CHECK(OpenError(text) ==
        "INTERNAL: " + text +
            ": file is not a database: move the file away or name another folder");

  const std::string other = folder / "other";
  Sql(other, "CREATE TABLE event(id)");
  CHECK(OpenError(other) == "FAILED_PRECONDITION: " + other +
                                ": the database of another program: move it away or name another "
                                "folder");

  const std::string newer = folder / "newer";
  Get(SqliteStore::Open(newer));
  Sql(newer, "PRAGMA user_version = 99");
  CHECK(OpenError(newer) == "FAILED_PRECONDITION: " + newer +
                                ": written by a newer version (schema 99, this one knows 3): "
                                "start that version, or move the file away");

  const std::string nowhere = folder / "none/store.db";
  CHECK(OpenError(nowhere) == "UNAVAILABLE: " + nowhere +
                                  ": unable to open database file: make the folder exist and "
                                  "writable");
}

TEST_CASE("sqlite: a damaged file says so") {
  const TempDir folder;
  const std::string path = folder / "store.db";
  {
    const auto store = Get(SqliteStore::Open(path));
    const NodeCommit commit = MakeCommit("n", 1, 2000, 500);
    Get(store->Append({&commit, 1}));
    REQUIRE(store->AwaitIndex().ok());
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(80 << 10);
  file << std::string(400 << 10, '\xa5');
  file.close();
  const auto store = SqliteStore::Open(path);
  const auto rows =
      store.ok() ? (*store)->Query({}, Order::kOldestFirst, 0, 5000).status() : store.status();
  CHECK(Code(rows) == "INTERNAL");
  CHECK(Message(rows) == path +
                             ": database disk image is malformed: stop the server and move the "
                             "file away; `sqlite3 FILE .recover` saves what can be read");
}

TEST_CASE("sqlite: retention by size gives the space back, and the WAL stays small") {
  const TempDir folder;
  const std::string path = folder / "store.db";
  const auto store = Get(SqliteStore::Open(path));
  uint64_t largest = 0;
  for (uint64_t s = 0; s < 40000; s += 1000) {
    const NodeCommit commit = MakeCommit("n", s + 1, s + 1000, 1000);
    Get(store->Append({&commit, 1}));
    largest = std::max<uint64_t>(largest, std::filesystem::file_size(path + "-wal"));
  }
  REQUIRE(store->AwaitIndex().ok());
  CHECK(largest < 32 << 20);
  CHECK(std::filesystem::file_size(path) > 40 << 20);
  CHECK(Get(store->Prune({0, 20 << 20}, 0)) > 10000);
  CHECK(std::filesystem::file_size(path) + std::filesystem::file_size(path + "-wal") <= 20 << 20);
  const auto rows = All(*store);
  CHECK(rows.size() > 5000);
  CHECK(rows.back().row.sequence == 40000);
  CHECK(rows.size() == rows.back().position - rows.front().position + 1);
}

TEST_CASE("OpenStore knows its kinds") {
  const TempDir folder;
  const std::string data = folder / "a/b";
  CHECK(Message(OpenStore({"mysql", data}).status()) ==
        "store: \"mysql\": accepted are sqlite, postgres and memory");
  CHECK(Get(Get(OpenStore({"memory", data}))->Newest()) == 0);
  CHECK_FALSE(std::filesystem::exists(data));
  const NodeCommit commit = MakeCommit("n", 1, 3);
  Get(Get(OpenStore({"sqlite", data}))->Append({&commit, 1}));
  CHECK(Sequences(All(*Get(OpenStore({"sqlite", data})))) == "3 events, 1 to 3");
}

}  // namespace huatuo
