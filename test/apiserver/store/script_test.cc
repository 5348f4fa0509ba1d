#include "test/apiserver/store/script.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "apiserver/store/memory_store.h"
#include "apiserver/store/postgres_store.h"
#include "apiserver/store/sqlite_store.h"
#include "common/id.h"
#include "test/apiserver/store/fixture.h"
#include "test/apiserver/store/postgres_server.h"

namespace huatuo {
namespace {

std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text[++i] == 'x') {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == 's' ? ' ' : text[i] == 'n' ? '\n' : text[i];
    }
  }
  return out;
}

std::string Escape(std::string_view text) {
  if (text.size() > 100) {
    return fmt::format("<{} bytes, {}>", text.size(), Hex(Sha256(text)).substr(0, 8));
  }
  std::string out = text.empty() ? "''" : "";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += c == '\\'                 ? "\\\\"
           : byte < 32 || byte > 126 ? fmt::format("\\x{:02x}", byte)
                                     : std::string(1, c);
  }
  return out;
}

std::string At(const std::map<std::string, std::string>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? "" : found->second;
}

int64_t Number(const std::map<std::string, std::string>& map, const std::string& key) {
  const std::string text = At(map, key);
  if (text.empty()) return 0;
  return text[0] == '-' ? std::stoll(text) : static_cast<int64_t>(std::stoull(text));
}

EventFilter FilterOf(const std::map<std::string, std::string>& a) {
  EventFilter filter{{},           {},           At(a, "tracer"),    At(a, "node"),
                     At(a, "ns"),  At(a, "pod"), At(a, "container"), At(a, "task"),
                     At(a, "text")};
  if (a.contains("from")) filter.from_ns = Number(a, "from");
  if (a.contains("to")) filter.to_ns = Number(a, "to");
  return filter;
}

std::string Line(const StoredEvent& e) {
  return fmt::format("{} {}/{} {} {} time={} uploaded={}\n", e.position, Escape(e.node),
                     e.row.sequence, Escape(e.row.tracer_id), Escape(e.row.tracer_name),
                     e.row.tracer_time_ns, e.uploaded_ns);
}

std::string Full(const StoredEvent& e) {
  std::string out = Line(e);
  if (!e.row.task_id.empty()) out += fmt::format("task {}\n", Escape(e.row.task_id));
  for (const SubjectRow& s : e.row.subjects) {
    out += fmt::format("subject [{}] {} {} {} {} {}\n", s.role, Escape(s.namespace_name),
                       Escape(s.pod_name), Escape(s.pod_uid), Escape(s.container_name),
                       Escape(s.container_id));
  }
  return out + Escape(e.row.document) + "\n";
}

std::string Line(const TaskRow& row) {
  return fmt::format("{} {} version={} {} {} ended={}\n", row.position, Escape(row.id), row.version,
                     Escape(row.tool), Escape(row.state), row.ended_ns);
}

std::string Code(const absl::Status& status) {
  return fmt::format("{}: {}\n", absl::StatusCodeToString(status.code()), Message(status));
}

}  // namespace

std::string Script::Run(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') out += line + "\n";
    if (!line.starts_with("> ")) continue;
    out += line + "\n";
    std::istringstream words(line.substr(2));
    std::string command;
    words >> command;
    Arguments arguments;
    for (std::string word; words >> word;) {
      const size_t equal = word.find('=');
      arguments[word.substr(0, equal)] = Unescape(word.substr(equal + 1));
    }
    out += Do(command, arguments);
  }
  return out;
}

std::string Script::Add(const std::string& command, const Arguments& a) {
  if (command == "commit") {
    commits_.push_back({At(a, "node"),
                        At(a, "epoch"),
                        static_cast<uint64_t>(Number(a, "high")),
                        Number(a, "uploaded"),
                        {},
                        {}});
    return "";
  }
  NodeCommit& commit = commits_.back();
  const auto sequence = static_cast<uint64_t>(Number(a, "seq"));
  if (command == "reject") {
    commit.rejected.push_back({sequence, At(a, "reason"), At(a, "entry")});
  } else if (command == "subject") {
    commit.events.back().subjects.push_back(
        {At(a, "role"), At(a, "cid"), At(a, "container"), At(a, "ns"), At(a, "pod"), At(a, "uid")});
  } else {
    const std::string fill(static_cast<size_t>(Number(a, "fill")), 'x');
    commit.events.push_back({sequence,
                             At(a, "id"),
                             At(a, "tracer"),
                             At(a, "task"),
                             Number(a, "time"),
                             {},
                             fill + At(a, "doc")});
  }
  return "";
}

std::string Script::Query(const Arguments& a) {
  const EventFilter filter = FilterOf(a);
  const Order order = At(a, "order") == "oldest" ? Order::kOldestFirst : Order::kNewestFirst;
  const size_t limit = a.contains("limit") ? static_cast<size_t>(Number(a, "limit")) : 100;
  const auto after = static_cast<uint64_t>(Number(a, "after"));
  const auto rows = store_().Query(filter, order, after, limit);
  if (!rows.ok()) return Code(rows.status());
  std::string out;
  for (const StoredEvent& row : *rows) out += Line(row);
  return out.empty() ? "none\n" : out;
}

std::string Script::Count(const Arguments& a) {
  const auto counts = store_().Count(FilterOf(a), Number(a, "step"));
  if (!counts.ok()) return Code(counts.status());
  std::string out;
  for (const EventCount& count : *counts) {
    out += fmt::format("{} {} {}\n", count.from_ns, Escape(count.tracer), count.events);
  }
  return out.empty() ? "none\n" : out;
}

// Prunes to half of what the store occupies; the numbers of bytes are each store's own.
std::string Script::Halve() {
  Store& store = store_();
  const StoreUse before = huatuo::Get(store.Use());
  huatuo::Get(store.Prune({0, before.bytes / 2}, 0));
  const StoreUse after = huatuo::Get(store.Use());
  const std::vector<StoredEvent> rows = All(store);
  const uint64_t newest = huatuo::Get(store.Newest());
  return fmt::format(
      "{}, {}, {}\n", after.bytes <= before.bytes / 2 ? "it fits" : "it is too large",
      after.events > before.events / 8 && after.events < before.events ? "some rows went"
                                                                       : "all or no rows went",
      !rows.empty() && rows.size() == after.events &&
              newest - rows.front().position + 1 == rows.size()
          ? "the newest stayed"
          : "there are holes");
}

std::string Script::Do(const std::string& command, const Arguments& a) {
  if (command == "append") {
    const auto added = store_().Append(std::exchange(commits_, {}));
    return added.ok() ? fmt::format("added {}\n", *added) : Code(added.status());
  }
  if (command == "query") return Query(a);
  if (command == "count") return Count(a);
  if (command == "halve") return Halve();
  constexpr std::string_view kParts[] = {"commit", "event", "subject", "reject"};
  if (std::count(std::begin(kParts), std::end(kParts), command) > 0) return Add(command, a);
  return Ask(store_(), command, a);
}

std::string Script::Ask(Store& store, const std::string& command, const Arguments& a) {
  if (command == "get") {
    const auto row = huatuo::Get(store.Get(At(a, "id")));
    return row ? Full(*row) : "none\n";
  }
  if (command == "high") {
    return fmt::format("{}\n", huatuo::Get(store.HighWater(At(a, "node"), At(a, "epoch"))));
  }
  if (command == "save" || command.starts_with("task")) return Task(store, command, a);
  if (command == "newest") return fmt::format("{}\n", huatuo::Get(store.Newest()));
  if (command == "put") {
    REQUIRE(store.Put(At(a, "kind"), At(a, "key"), At(a, "value")).ok());
    return "";
  }
  if (command == "swap") {
    std::optional<std::string> expected;
    if (a.contains("expected")) expected = At(a, "expected");
    const bool swapped =
        huatuo::Get(store.Swap(At(a, "kind"), At(a, "key"), expected, At(a, "value")));
    return swapped ? "swapped\n" : "not as expected\n";
  }
  if (command == "fact") {
    const auto value = huatuo::Get(store.Fact(At(a, "kind"), At(a, "key")));
    return value ? Escape(*value) + "\n" : "none\n";
  }
  return List(store, command, a);
}

std::string Script::Task(Store& store, const std::string& command, const Arguments& a) {
  if (command == "save") {
    TaskRow row{.id = At(a, "id"),
                .version = static_cast<uint64_t>(Number(a, "version")),
                .tool = At(a, "tool"),
                .state = At(a, "state"),
                .ended_ns = Number(a, "ended"),
                .document = At(a, "doc")};
    const absl::Status saved = store.tasks().Save(row);
    return saved.ok() ? Line(row) : Code(saved);
  }
  if (command == "task") {
    const auto row = huatuo::Get(store.tasks().Find(At(a, "id")));
    return row ? Line(*row) + Escape(row->document) + "\n" : "none\n";
  }
  const size_t limit = a.contains("limit") ? static_cast<size_t>(Number(a, "limit")) : 100;
  const TaskFilter filter{At(a, "open") == "yes", At(a, "state"), At(a, "tool")};
  std::string out;
  for (const TaskRow& row :
       huatuo::Get(store.tasks().List(filter, static_cast<uint64_t>(Number(a, "before")), limit))) {
    out += Line(row);
  }
  return out.empty() ? "none\n" : out;
}

std::string Script::List(Store& store, const std::string& command, const Arguments& a) {
  std::string out;
  if (command == "rejected") {
    const auto limit = static_cast<size_t>(Number(a, "limit"));
    for (const RejectedRow& row : huatuo::Get(store.Rejected(At(a, "node"), limit))) {
      out += fmt::format("{} {} [{}]\n", row.sequence, Escape(row.reason), Escape(row.entry));
    }
    return out.empty() ? "none\n" : out;
  }
  if (command == "facts") {
    for (const auto& [key, value] : huatuo::Get(store.Facts(At(a, "kind")))) {
      out += fmt::format("{} = {}\n", Escape(key), Escape(value));
    }
    return out.empty() ? "none\n" : out;
  }
  if (command == "use") {
    const StoreUse use = huatuo::Get(store.Use());
    return fmt::format("{} events, oldest {}\n", use.events, use.oldest_uploaded_ns);
  }
  if (command == "prune") {
    return fmt::format("{} went\n",
                       huatuo::Get(store.Prune({Number(a, "age"), 0}, Number(a, "now"))));
  }
  return "unknown command\n";
}

namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> Scripts() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_DIR)) {
    if (entry.path().extension() == ".script") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// "none" when both are equal.
std::string Difference(const std::string& actual, const std::string& expected) {
  std::istringstream is(actual);
  std::istringstream should(expected);
  std::string a;
  std::string b;
  for (int line = 1;; ++line) {
    const bool more = static_cast<bool>(std::getline(is, a));
    const bool wanted = static_cast<bool>(std::getline(should, b));
    if (!more && !wanted) return "none";
    if (!more) return fmt::format("{}: missing: {}", line, b);
    if (!wanted) return fmt::format("{}: surplus: {}", line, a);
    if (a != b) return fmt::format("{}: {}\ninstead of: {}", line, a, b);
  }
}

void CheckScripts(const std::function<std::string(const std::string&)>& run) {
  const std::vector<std::string> paths = Scripts();
  REQUIRE(paths.size() >= 6);
  for (const std::string& path : paths) {
    INFO(path);
    const std::string text = ReadFile(path);
    CHECK(Difference(run(text), text) == "none");
  }
}

}  // namespace

TEST_CASE("scripts: memory") {
  CheckScripts([](const std::string& text) {
    MemoryStore store;
    return Script([&]() -> Store& { return store; }).Run(text);
  });
}

TEST_CASE("scripts: sqlite") {
  CheckScripts([](const std::string& text) {
    const TempDir folder;
    const auto store = Get(SqliteStore::Open(folder / "store.db"));
    return Script([&]() -> Store& { return *store; }).Run(text);
  });
}

TEST_CASE("scripts: sqlite, when the text index has caught up") {
  CheckScripts([](const std::string& text) {
    const TempDir folder;
    const auto store = Get(SqliteStore::Open(folder / "store.db"));
    return Script([&]() -> Store& {
             REQUIRE(store->AwaitIndex().ok());
             return *store;
           })
        .Run(text);
  });
}

TEST_CASE("scripts: sqlite, opened anew before each command") {
  CheckScripts([](const std::string& text) {
    const TempDir folder;
    std::unique_ptr<SqliteStore> store;
    return Script([&]() -> Store& {
             store.reset();
             store = Get(SqliteStore::Open(folder / "store.db"));
             return *store;
           })
        .Run(text);
  });
}

TEST_CASE("[host] scripts: postgres") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  CheckScripts([&](const std::string& text) {
    const auto store = Get(PostgresStore::Open(server->NewPlace()));
    return Script([&]() -> Store& { return *store; }).Run(text);
  });
}

TEST_CASE("[host] scripts: postgres, two apiservers in turns") {
  PostgresServer* server = PostgresServer::Shared();
  if (server == nullptr) return;
  CheckScripts([&](const std::string& text) {
    const PostgresOptions place = server->NewPlace();
    const auto one = Get(PostgresStore::Open(place));
    const auto other = Get(PostgresStore::Open(place));
    int turn = 0;
    return Script([&]() -> Store& { return ++turn % 2 == 0 ? *one : *other; }).Run(text);
  });
}

}  // namespace huatuo
