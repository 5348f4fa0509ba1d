// What a store of profiles does, held against every one of them.
#include <functional>

#include "apiserver/store/memory_profile_store.h"
#include "apiserver/store/open_store.h"
#include "apiserver/store/postgres_profile_store.h"
#include "apiserver/store/profile_blob.h"
#include "apiserver/store/sqlite_profile_store.h"
#include "test/apiserver/store/fixture.h"
#include "test/apiserver/store/postgres_server.h"

namespace huatuo {
namespace {

NewProfile MakeProfile(const std::string& id, uint64_t sequence, size_t blob_bytes = 8) {
  NewProfile profile;
  profile.row.sequence = sequence;
  profile.row.id = id;
  profile.row.unit = "cpu_profile";
  profile.row.type = "cpu";
  profile.row.time_ns = static_cast<int64_t>(sequence) * 100;
  profile.row.duration_ns = 100;
  profile.row.document = "{\"id\":\"" + id + "\"}";
  profile.blob = std::string(blob_bytes, 'b');
  return profile;
}

ProfileCommit Commit(const std::string& node, std::vector<NewProfile> profiles,
                     int64_t uploaded_ns = 1) {
  const uint64_t last = profiles.empty() ? 0 : profiles.back().row.sequence;
  return {node, "e1", last, uploaded_ns, std::move(profiles), {}};
}

uint64_t Put(ProfileStore& store, const ProfileCommit& commit) {
  return Get(store.Append({&commit, 1}));
}

// "3:c 1:a" of what the filter finds, in its order.
std::string Found(ProfileStore& store, const ProfileFilter& filter, uint64_t before = 0,
                  size_t limit = 100) {
  std::string out;
  for (const StoredProfile& profile : Get(store.Query(filter, before, limit))) {
    out += fmt::format("{}{}:{}", out.empty() ? "" : " ", profile.position, profile.row.id);
  }
  return out;
}

void ForEachStore(const std::function<void(ProfileStore& store)>& test) {
  SECTION("memory") {
    MemoryProfileStore store;
    test(store);
  }
  SECTION("sqlite") {
    const TempDir folder;
    test(*Get(OpenProfileStore({"sqlite", folder.path()})));
  }
  SECTION("postgres") {
    PostgresServer* server = PostgresServer::Shared();
    if (server != nullptr) test(*Get(PostgresProfileStore::Open(server->NewPlace())));
  }
}

}  // namespace

TEST_CASE("profiles come back as they went in, with their blobs") {
  ForEachStore([](ProfileStore& store) {
    NewProfile full = MakeProfile("a", 7);
    full.row.task_id = "t";
    full.row.containers = {{"", "0123456789abcdef", "web", "", "", "uid"},
                           {"", "", "x;y", "", "", ""}};
    full.blob = std::string("\0\xff\x01 blob", 8);
    CHECK(Put(store, Commit("n1", {full}, 99)) == 1);
    const std::optional<StoredProfile> stored = Get(store.Get("a"));
    REQUIRE(stored.has_value());
    CHECK(stored->row == full.row);
    CHECK(fmt::format("{} {} {} {}", stored->position, stored->node, stored->uploaded_ns,
                      stored->bytes) == "1 n1 99 8");
    CHECK(Get(store.Blob("a")) == full.blob);
    CHECK(!Get(store.Get("b")).has_value());
    CHECK(!Get(store.Blob("b")).has_value());
    CHECK(Get(store.Use()).profiles == 1);
  });
}

TEST_CASE("what came before is skipped: by its sequence, and by its id in another epoch") {
  ForEachStore([](ProfileStore& store) {
    CHECK(Put(store, Commit("n1", {MakeProfile("a", 1), MakeProfile("b", 2)})) == 2);
    CHECK(Get(store.HighWater("n1", "e1")) == 2);
    CHECK(Put(store, Commit("n1", {MakeProfile("b2", 2), MakeProfile("c", 3)})) == 1);
    ProfileCommit other = Commit("n1", {MakeProfile("a", 1), MakeProfile("d", 2)});
    other.epoch = "e2";
    CHECK(Put(store, other) == 1);
    CHECK(Found(store, {}) == "4:d 3:c 2:b 1:a");
    CHECK(Get(store.HighWater("n1", "e2")) == 2);
    CHECK(Get(store.HighWater("n2", "e1")) == 0);
    ProfileCommit mark{"n3", "e1", 9, 1, {}, {}};
    CHECK(Put(store, mark) == 0);
    CHECK(Get(store.HighWater("n3", "e1")) == 9);
  });
}

TEST_CASE("filters, and pages by position") {
  ForEachStore([](ProfileStore& store) {
    NewProfile b = MakeProfile("b", 2);
    b.row.task_id = "t1";
    b.row.containers = {{"", "0123456789abcdef", "web", "shop", "web-1", "uid-1"},
                        {"", "1111111111111111", "db", "shop", "db-1", "uid-2"}};
    NewProfile c = MakeProfile("c", 3);
    c.row.unit = "lock_profile";
    c.row.containers = {{"", "fedcba9876543210", "db", "", "", ""},
                        {"", "0123456789abffff", "", "", "", ""}};
    Put(store, Commit("n1", {MakeProfile("a", 1), b, c}));
    Put(store, Commit("n2", {MakeProfile("d", 1), MakeProfile("e", 2)}));
    CHECK(Found(store, {}) == "5:e 4:d 3:c 2:b 1:a");
    CHECK(Found(store, {.task_id = "t1"}) == "2:b");
    CHECK(Found(store, {.node = "n2"}) == "5:e 4:d");
    CHECK(Found(store, {.unit = "lock_profile"}) == "3:c");
    CHECK(Found(store, {.container = "web"}) == "2:b");
    CHECK(Found(store, {.container = "0123456789ab"}) == "3:c 2:b");
    CHECK(Found(store, {.container = "0123456789abcdef"}) == "2:b");
    CHECK(Found(store, {.container = "0123456789a"}).empty());
    CHECK(Found(store, {.node = "n2", .container = "web"}).empty());
    CHECK(Found(store, {.container = "db"}) == "3:c 2:b");
    CHECK(Found(store, {.namespace_name = "shop"}) == "2:b");
    CHECK(Found(store, {.pod = "db-1"}) == "2:b");
    CHECK(Found(store, {.pod = "uid-1"}) == "2:b");
    CHECK(Found(store, {.pod = "web"}).empty());
    // One container has all of it.
    CHECK(Found(store, {.namespace_name = "shop", .pod = "web-1", .container = "web"}) == "2:b");
    CHECK(Found(store, {.namespace_name = "shop", .pod = "web-1", .container = "db"}).empty());
    CHECK(Found(store, {.namespace_name = "web", .pod = "web-1"}).empty());
    // [200, 300] is b's time on n1 and e's on n2.
    CHECK(Found(store, {.from_ns = 301}) == "3:c");
    CHECK(Found(store, {.from_ns = 300}) == "5:e 3:c 2:b");
    CHECK(Found(store, {.to_ns = 200}) == "4:d 1:a");
    CHECK(Found(store, {.from_ns = 250, .to_ns = 250}) == "5:e 2:b");
    CHECK(Found(store, {}, 0, 2) == "5:e 4:d");
    CHECK(Found(store, {}, 4, 2) == "3:c 2:b");
    CHECK(Found(store, {.node = "n1"}, 2) == "1:a");
    CHECK(store.Query({}, UINT64_MAX, 1).status().code() == absl::StatusCode::kInvalidArgument);
  });
}

TEST_CASE("gaps are summed by node and time") {
  ForEachStore([](ProfileStore& store) {
    ProfileCommit commit{"n1", "e1", 20, 5, {}, {{1, 10, "spool_full", 100, 200}}};
    commit.gaps.push_back({15, 20, "too_large", 0, 0});
    Put(store, commit);
    Put(store, commit);
    Put(store, {"n2", "e1", 3, 5, {}, {{1, 3, "x", 500, 600}}});
    CHECK(Get(store.Missing("", {}, {})) == 19);
    CHECK(Get(store.Missing("n1", {}, {})) == 16);
    CHECK(Get(store.Missing("n1", 201, {})) == 6);
    CHECK(Get(store.Missing("n1", 200, {})) == 16);
    CHECK(Get(store.Missing("n1", {}, 100)) == 6);
    CHECK(Get(store.Missing("n2", 100, 501)) == 3);
    CHECK(Get(store.HighWater("n1", "e1")) == 20);
  });
}

TEST_CASE("retention by age takes profiles, gaps and marks of epochs that ended") {
  ForEachStore([](ProfileStore& store) {
    ProfileCommit old{"n1", "e0", 2, 100, {MakeProfile("a", 1)}, {{2, 2, "x", 0, 0}}};
    Put(store, old);
    Put(store, Commit("n1", {MakeProfile("b", 1)}, 200));
    CHECK(Get(store.Prune({.max_age_ns = 50, .max_bytes = 0}, 150)) == 0);
    CHECK(Get(store.Prune({.max_age_ns = 50, .max_bytes = 0}, 151)) == 1);
    CHECK(Found(store, {}) == "2:b");
    CHECK(!Get(store.Blob("a")).has_value());
    CHECK(Get(store.Missing("", {}, {})) == 0);
    CHECK(Get(store.HighWater("n1", "e0")) == 0);
    CHECK(Get(store.Prune({.max_age_ns = 50, .max_bytes = 0}, 1000)) == 1);
    CHECK(Get(store.HighWater("n1", "e1")) == 1);
    Put(store, Commit("n1", {MakeProfile("c", 2)}, 300));
    CHECK(Found(store, {}) == "3:c");
  });
}

TEST_CASE("retention by size takes the oldest") {
  ForEachStore([](ProfileStore& store) {
    constexpr uint64_t kLimit = 4 << 20;
    for (uint64_t i = 1; i <= 40; ++i) {
      Put(store, Commit("n1", {MakeProfile(std::to_string(i), i, 200'000)}, 1));
    }
    const uint64_t pruned = Get(store.Prune({.max_age_ns = 0, .max_bytes = kLimit}, 1));
    CHECK(Get(store.Use()).bytes <= kLimit);
    const auto left = Get(store.Query({}, 0, 100));
    CHECK(left.size() == 40 - pruned);
    CHECK(left.size() >= 10);
    CHECK(left.front().row.id == "40");
    CHECK(left.back().row.id == std::to_string(pruned + 1));
    CHECK(Get(store.Blob("40"))->size() == 200'000);
  });
}

TEST_CASE("the sqlite store of profiles keeps all of it over a restart") {
  const TempDir folder;
  const std::string path = folder / "profiles.db";
  {
    const auto store = Get(SqliteProfileStore::Open(path));
    Put(*store, Commit("n1", {MakeProfile("a", 1), MakeProfile("b", 2)}));
  }
  const auto store = Get(SqliteProfileStore::Open(path));
  CHECK(Found(*store, {}) == "2:b 1:a");
  CHECK(Get(store->HighWater("n1", "e1")) == 2);
  CHECK(Message(OpenProfileStore({"tape", folder.path()}).status()) ==
        "store: \"tape\": accepted are sqlite, postgres and memory");
}

TEST_CASE("a full disk refuses a commit whole; the next one is taken when there is room") {
  const TempDir folder;
  const auto store = Get(SqliteProfileStore::Open(folder / "profiles.db", 200));
  const ProfileCommit large = Commit("n1", {MakeProfile("a", 1), MakeProfile("b", 2, 900'000)});
  CHECK(store->Append({&large, 1}).status().code() == absl::StatusCode::kUnavailable);
  CHECK(Found(*store, {}).empty());
  CHECK(Get(store->HighWater("n1", "e1")) == 0);
  CHECK(Put(*store, Commit("n1", {MakeProfile("a", 1)})) == 1);
}

TEST_CASE("a blob is a profile again; anything else is refused") {
  v1::Profile profile;
  profile.set_unit("cpu_profile");
  for (int i = 0; i < 1000; ++i) profile.add_strings("function_" + std::to_string(i));
  const std::string blob = PackProfile(profile);
  CHECK(blob.size() < profile.ByteSizeLong() / 3);
  CHECK(Get(UnpackProfile(blob)).SerializeAsString() == profile.SerializeAsString());
  CHECK(Get(UnpackProfile(PackProfile({}))).SerializeAsString().empty());
  CHECK(Message(UnpackProfile("no blob").status()) == "profile: not a blob of at most 64 MiB");
  CHECK(Message(UnpackProfile(blob.substr(0, blob.size() / 2)).status()) ==
        "profile: Src size is incorrect");
}

}  // namespace huatuo
