#include "collector/kernel/subject_latency.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "bpf/reclaim.h"
#include "bpf/reclaim.skel.h"
#include "test/collector/fake_context.h"

namespace huatuo {
namespace {

subject_key Key(uint64_t cgroup, uint32_t kind) {
  return {.cgroup = {.id = cgroup, .hierarchy = 3, .reserved = 0}, .kind = kind, .reserved = 0};
}

// What the programs have counted until now.
void Write(const BpfObject& object, const subject_key& key, uint64_t count, uint64_t sum_ns) {
  latency value{};
  value.bucket[5] = count;
  value.sum_ns = sum_ns;
  REQUIRE(bpf_map_update_elem(object.MapFd("subjects"), &key, &value, BPF_ANY) == 0);
}

size_t Keys(const BpfObject& object) {
  size_t count = 0;
  subject_key key{};
  for (const subject_key* last = nullptr;
       bpf_map_get_next_key(object.MapFd("subjects"), last, &key) == 0; last = &key) {
    ++count;
  }
  return count;
}

std::string Text(const SubjectLatencies& subjects, uint32_t kind) {
  std::string text;
  for (const auto& [id, of] : subjects.containers()) {
    text += fmt::format("{} {} {}\n", id, of.kinds[kind].bucket[5], of.kinds[kind].sum_ns);
  }
  return text;
}

// The maps of a program that is not attached; null where BPF is not permitted.
std::unique_ptr<BpfObject> Maps() {
  auto object = BpfObject::Open("reclaim", Elf<reclaim_bpf>());
  REQUIRE(object.ok());
  REQUIRE((*object)->Select({}).ok());
  if (!(*object)->Load().ok()) {
    fmt::print("skipped: no maps on this kernel\n");
    return nullptr;
  }
  return *std::move(object);
}

struct Bed {
  std::unique_ptr<BpfObject> object = Maps();
  FakeContext context;

  Bed() {
    for (const uint64_t cgroup : {10, 11}) context.containers[{3, cgroup}].set_id("one");
    context.containers[{3, 20}].set_id("two");
  }
  void Live(std::string id, std::vector<uint64_t> cgroups) {
    LiveContainer live;
    live.container.set_id(id);
    for (const uint64_t cgroup : cgroups) {
      live.cgroups.push_back({.id = cgroup, .hierarchy = 3, .reserved = 0});
    }
    context.live.push_back(std::move(live));
  }
};

}  // namespace

TEST_CASE("[host] a container's latency is the sum of its cgroups, by kind") {
  Bed bed;
  if (bed.object == nullptr) return;
  SubjectLatencies subjects(*bed.object, bed.context);
  Write(*bed.object, Key(10, RECLAIM_DIRECT), 3, 300);
  Write(*bed.object, Key(11, RECLAIM_DIRECT), 4, 40);
  Write(*bed.object, Key(20, RECLAIM_DIRECT), 5, 5);
  Write(*bed.object, Key(20, RECLAIM_COMPACTION), 1, 7);
  subjects.Read();
  subjects.Read();
  CHECK(Text(subjects, RECLAIM_DIRECT) == "one 7 340\ntwo 5 5\n");
  CHECK(Text(subjects, RECLAIM_COMPACTION) == "one 0 0\ntwo 1 7\n");
}

TEST_CASE("[host] a total does not fall when a cgroup below the container goes") {
  Bed bed;
  if (bed.object == nullptr) return;
  SubjectLatencies subjects(*bed.object, bed.context);
  Write(*bed.object, Key(10, RECLAIM_DIRECT), 3, 300);
  Write(*bed.object, Key(11, RECLAIM_DIRECT), 4, 40);
  subjects.Read();
  Write(*bed.object, Key(11, RECLAIM_DIRECT), 6, 60);
  bed.Live("one", {10});
  subjects.Keep(bed.context.live);
  CHECK(Text(subjects, RECLAIM_DIRECT) == "one 9 360\n");
  CHECK(Keys(*bed.object) == 1);
  // A cgroup of that number again: what it counts is new.
  Write(*bed.object, Key(11, RECLAIM_DIRECT), 1, 1);
  subjects.Read();
  CHECK(Text(subjects, RECLAIM_DIRECT) == "one 10 361\n");
}

TEST_CASE("[host] a container that has gone leaves nothing behind") {
  Bed bed;
  if (bed.object == nullptr) return;
  SubjectLatencies subjects(*bed.object, bed.context);
  Write(*bed.object, Key(10, RECLAIM_DIRECT), 3, 300);
  Write(*bed.object, Key(20, RECLAIM_DIRECT), 5, 5);
  subjects.Read();
  bed.Live("two", {20});
  subjects.Keep(bed.context.live);
  CHECK(Text(subjects, RECLAIM_DIRECT) == "two 5 5\n");
  CHECK(Keys(*bed.object) == 1);
}

TEST_CASE("[host] a cgroup of no container makes room, but not before it can be known") {
  Bed bed;
  if (bed.object == nullptr) return;
  SubjectLatencies subjects(*bed.object, bed.context);
  Write(*bed.object, Key(30, RECLAIM_DIRECT), 2, 2);
  Write(*bed.object, Key(31, RECLAIM_DIRECT), 1, 1);
  subjects.Read();
  subjects.Keep({});
  CHECK(Keys(*bed.object) == 2);
  bed.context.containers[{3, 30}].set_id("late");
  for (int round = 0; round < 4; ++round) subjects.Read();
  CHECK(Text(subjects, RECLAIM_DIRECT) == "late 2 2\n");
  CHECK(Keys(*bed.object) == 1);
}

}  // namespace huatuo
