#include "apiserver/pods/pod_json.h"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "apiserver/pods/owner.h"
#include "common/status.h"
#include "test/apiserver/pods/text.h"

namespace huatuo {
namespace {

namespace json = boost::json;

std::string Parse(const json::value& pod, const std::vector<std::string>& annotations = {}) {
  const auto parsed = ParsePod(pod.as_object(), annotations);
  if (!parsed.ok()) return Message(parsed.status());
  std::string text = Show(parsed->pod);
  if (parsed->texts_left_out > 0) text += fmt::format("  left out: {}\n", parsed->texts_left_out);
  return text;
}

TEST_CASE("pods of every kind") {
  std::ifstream file(TEST_DIR "/pods.json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::string shown;
  const json::value list = json::parse(text);
  for (const json::value& pod : list.at("items").as_array()) {
    shown += Parse(pod, {"team", "example.com/long"});
  }
  CHECK(
      shown ==
      R"(kube-system/coredns-5d78c9869d-4xq7n 11111111-aaaa-4bbb-8ccc-000000000001 on node-1, burstable, Deployment/coredns
  k8s-app=kube-dns
  pod-template-hash=5d78c9869d
  normal coredns: a1a1a1a1
kube-system/etcd-node-1 11111111-aaaa-4bbb-8ccc-000000000002 on node-1, burstable, no owner
  hash 5f3c2a1b0e9d8c7b6a594837261504f3
  component=etcd
  tier=control-plane
  static etcd: a2a2a2a2
kube-system/kube-proxy-x8k2p 11111111-aaaa-4bbb-8ccc-000000000003 on node-1, besteffort, DaemonSet/kube-proxy
  controller-revision-hash=6b4d5c
  k8s-app=kube-proxy
  pod-template-generation=1
  daemonset kube-proxy: a3a3a3a3
shop/db-0 11111111-aaaa-4bbb-8ccc-000000000004 on node-1, guaranteed, StatefulSet/db
  app=db
  apps.kubernetes.io/pod-index=0
  statefulset.kubernetes.io/pod-name=db-0
  @team=storage
  normal postgres: b1b1b1b1 b0b0b0b0
  init schema: b2b2b2b2
  sidecar log-shipper: b3b3b3b3
  ephemeral debugger-7xk2p: b4b4b4b4
  left out: 1
shop/backup-28312345-9q2zl 11111111-aaaa-4bbb-8ccc-000000000005 on node-1, besteffort, CronJob/backup
  batch.kubernetes.io/job-name=backup-28312345
  job-name=backup-28312345
  normal backup:
)");
}

TEST_CASE("what is not a pod is refused with the field") {
  CHECK(Parse(json::parse("{}")) == "metadata.uid: 0 bytes: accepted are 1 to 253");
  CHECK(Parse(json::parse(R"({"metadata":{"uid":7,"name":"a","namespace":"b"}})")) ==
        "metadata.uid: 0 bytes: accepted are 1 to 253");
  CHECK(Parse(json::parse(R"({"metadata":{"uid":"u","namespace":"b"}})")) ==
        "metadata.name: 0 bytes: accepted are 1 to 253");
  CHECK(Parse(json::object{{"metadata", {{"uid", "u"}, {"name", std::string(254, 'a')}}}}) ==
        "metadata.name: 254 bytes: accepted are 1 to 253");
}

TEST_CASE("fields of a type that they should not have are as if they were not there") {
  CHECK(Parse(json::parse(
            R"({"metadata":{"uid":"u","name":"a","namespace":"b","labels":[1],"annotations":3,
                "ownerReferences":[7,{"kind":"Job"},{"controller":"yes","kind":"Job","name":"x"}]},
                "spec":{"containers":[5,{"name":["x"]},{"name":"c"}],"initContainers":{}},
                "status":{"containerStatuses":[3,{"name":"c","containerID":12,"state":[],
                          "lastState":{"terminated":null}},{"name":"other","containerID":"x://1"}]}})")) ==
        "b/a u on , , no owner\n  normal :\n  normal c:\n");
}

TEST_CASE("labels are bounded") {
  json::object labels;
  for (int i = 0; i < 70; ++i) labels[fmt::format("l{:02}", i)] = "v";
  labels["l00"] = std::string(1025, 'x');
  const auto parsed = ParsePod(
      {{"metadata", {{"uid", "u"}, {"name", "a"}, {"namespace", "b"}, {"labels", labels}}}}, {});
  REQUIRE(parsed.ok());
  CHECK(parsed->pod.labels.size() == 64);
  CHECK(parsed->texts_left_out == 6);
}

TEST_CASE("owners by the names that controllers give") {
  const struct {
    std::string_view kind, name, hash, owner;
  } cases[] = {{"ReplicaSet", "web-5d4f8c7b9", "5d4f8c7b9", "Deployment/web"},
               {"ReplicaSet", "web-api-5d4f8c7b9", "5d4f8c7b9", "Deployment/web-api"},
               {"ReplicaSet", "web-5d4f8c7b9", "", "ReplicaSet/web-5d4f8c7b9"},
               {"ReplicaSet", "web", "5d4f8c7b9", "ReplicaSet/web"},
               {"ReplicaSet", "-5d4f8c7b9", "5d4f8c7b9", "ReplicaSet/-5d4f8c7b9"},
               {"ReplicaSet", "web5d4f8c7b9", "5d4f8c7b9", "ReplicaSet/web5d4f8c7b9"},
               {"StatefulSet", "db", "", "StatefulSet/db"},
               {"DaemonSet", "agent", "", "DaemonSet/agent"},
               {"Job", "backup-28312345", "", "CronJob/backup"},
               {"Job", "backup-1698740700", "", "CronJob/backup"},
               {"Job", "migrate-42", "", "Job/migrate-42"},
               {"Job", "28312345", "", "Job/28312345"},
               {"Job", "-28312345", "", "Job/-28312345"},
               {"Rollout", "web", "", "Rollout/web"},
               {"Node", "node-1", "", ""},
               {"", "x", "", ""}};
  for (const auto& c : cases) CHECK(OwnerOf(c.kind, c.name, c.hash) == c.owner);
}

}  // namespace
}  // namespace huatuo
