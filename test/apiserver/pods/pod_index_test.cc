#include "apiserver/pods/pod_index.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "test/apiserver/pods/text.h"

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Pod MakePod(const std::string& name, const std::string& version,
            const std::vector<std::string>& ids) {
  Pod pod;
  pod.uid = "uid-" + name;
  pod.resource_version = version;
  pod.namespace_name = "shop";
  pod.name = name;
  pod.containers.push_back({.name = "main", .type = "normal", .ids = ids});
  return pod;
}

std::string Show(const PodIndex::Counts& counts) {
  return fmt::format("{} pods, {} ids, {} tombstones, {} evicted", counts.pods, counts.containers,
                     counts.tombstones, counts.evicted);
}

struct Fixture {
  explicit Fixture(PodIndexOptions options = {}) : index(clock, options) { clock.Advance(kSecond); }
  std::string Find(const std::string& id, const std::string& uid = "") const {
    return Show(index.Find(id, uid));
  }
  ManualClock clock;
  PodIndex index;
};

TEST_CASE("a pod is found by each of its names") {
  Fixture f;
  Pod pod = MakePod("web", "1", {"c1", "c0"});
  pod.config_hash = "hash";
  pod.containers.push_back({.name = "proxy", .type = "sidecar", .ids = {"c2"}});
  f.index.Set(std::move(pod));
  CHECK(f.Find("c1") == "shop/web main");
  CHECK(f.Find("c0") == "shop/web main");
  CHECK(f.Find("c2", "uid-web") == "shop/web proxy");
  CHECK(f.Find("sandbox", "uid-web") == "shop/web");
  CHECK(f.Find("", "hash") == "shop/web");
  CHECK(f.Find("c9", "uid-other") == "unknown");
  CHECK(f.Find("") == "unknown");
  CHECK(Show(f.index.counts()) == "1 pods, 3 ids, 0 tombstones, 0 evicted");
}

TEST_CASE("a deleted pod is found for ten minutes, then no longer") {
  Fixture f;
  f.index.Set(MakePod("web", "1", {"c1"}));
  f.index.Delete("uid-web");
  f.clock.Advance(600 * kSecond - 1);
  f.index.Set(MakePod("other", "2", {}));
  CHECK(f.Find("c1") == "shop/web main");
  CHECK(Show(f.index.counts()) == "1 pods, 0 ids, 2 tombstones, 0 evicted");
  f.clock.Advance(1);
  f.index.Set(MakePod("other", "3", {}));
  CHECK(f.Find("c1", "uid-web") == "unknown");
  CHECK(Show(f.index.counts()) == "1 pods, 0 ids, 0 tombstones, 0 evicted");
  f.index.Delete("uid-nobody");
}

TEST_CASE("the id before a restart is found although the pod no longer names it") {
  Fixture f;
  f.index.Set(MakePod("web", "1", {"c1"}));
  f.index.Set(MakePod("web", "2", {"c2", "c1"}));
  f.index.Set(MakePod("web", "3", {"c3", "c2"}));
  CHECK(f.Find("c1") == "shop/web main");
  CHECK(f.Find("c3") == "shop/web main");
  CHECK(Show(f.index.counts()) == "1 pods, 2 ids, 1 tombstones, 0 evicted");
}

TEST_CASE("a name that comes back is alive, and its tombstone forgotten") {
  Fixture f;
  f.index.Set(MakePod("web", "1", {"c1"}));
  f.index.Delete("uid-web");
  f.clock.Advance(kSecond);
  f.index.Set(MakePod("web", "2", {"c1"}));
  CHECK(Show(f.index.counts()) == "1 pods, 1 ids, 0 tombstones, 0 evicted");
  f.clock.Advance(700 * kSecond);
  f.index.Set(MakePod("other", "3", {}));
  CHECK(f.Find("c1", "uid-web") == "shop/web main");
}

TEST_CASE("a static pod that was made anew keeps its hash when the old one is deleted") {
  Fixture f;
  Pod before = MakePod("etcd", "1", {"c1"});
  before.config_hash = "hash";
  Pod after = MakePod("etcd2", "2", {"c2"});
  after.config_hash = "hash";
  f.index.Set(std::move(before));
  f.index.Set(std::move(after));
  f.index.Delete("uid-etcd");
  f.clock.Advance(700 * kSecond);
  f.index.Set(MakePod("other", "3", {}));
  CHECK(f.Find("", "hash") == "shop/etcd2");
  CHECK(f.Find("c1") == "unknown");
}

TEST_CASE("tombstones are bounded, the oldest go first and are counted") {
  Fixture f({.max_tombstones = 6});
  for (int i = 0; i < 5; ++i) {
    f.clock.Advance(kSecond);
    const std::string name = fmt::format("p{}", i);
    f.index.Set(MakePod(name, "1", {"c" + name}));
    f.index.Delete("uid-" + name);
  }
  CHECK(Show(f.index.counts()) == "0 pods, 0 ids, 6 tombstones, 4 evicted");
  CHECK(f.Find("cp1", "uid-p1") == "unknown");
  CHECK(f.Find("cp2") == "shop/p2 main");
}

TEST_CASE("a list deletes what it does not have, and an unfinished one nothing") {
  Fixture f;
  f.index.Set(MakePod("a", "1", {"ca"}));
  f.index.Set(MakePod("b", "1", {"cb"}));
  f.index.BeginList();
  f.index.Set(MakePod("a", "1", {"ca"}));
  CHECK(f.index.counts().pods == 2);
  f.index.BeginList();
  f.index.Set(MakePod("b", "1", {"cb"}));
  f.index.Set(MakePod("c", "5", {"cc"}));
  f.index.EndList();
  CHECK(Show(f.index.counts()) == "2 pods, 2 ids, 2 tombstones, 0 evicted");
  CHECK(f.Find("ca") == "shop/a main");
}

TEST_CASE("a version that is known changes nothing, what was found stays as it was") {
  Fixture f;
  f.index.Set(MakePod("web", "1", {"c1"}));
  const PodIndex::Found found = f.index.Find("c1", "");
  const uint64_t generation = f.index.generation();
  f.index.Set(MakePod("web", "1", {"c1"}));
  CHECK(f.index.generation() == generation);
  CHECK(f.index.Find("c1", "").pod == found.pod);
  f.index.Set(MakePod("web", "2", {}));
  CHECK(f.index.generation() == generation + 1);
  f.index.Delete("uid-web");
  CHECK(Show(found) == "shop/web main");
  CHECK(found.pod->resource_version == "1");
}

TEST_CASE("readers see whole pods while one thread writes") {
  const Clock& clock = Clock::Real();
  PodIndex index(clock);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> wrong = 0;
  std::atomic<uint64_t> hits = 0;
  std::thread reader([&] {
    while (!stop) {
      const auto found = index.Find("c1", "");
      if (!found.pod) continue;
      ++hits;
      if (found.container == nullptr || found.container->name != "main") ++wrong;
    }
  });
  for (int i = 0; i < 20'000 || hits == 0; ++i) {
    index.Set(MakePod("web", std::to_string(i), {"c1"}));
    if (i % 7 == 0) index.Delete("uid-web");
  }
  stop = true;
  reader.join();
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace huatuo
