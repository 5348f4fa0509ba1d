#include "collector/enrich/cgroup_path.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

using namespace huatuo;  // NOLINT

namespace {

const std::string kA(64, 'a');
const std::string kB(64, 'b');

// Ids of 64 equal letters become "A", "B"; `@` and the folder's length follow when asked.
std::string Print(const std::optional<ContainerName>& name) {
  if (!name) return "host";
  const auto brief = [](const std::string& id) { return id == kA ? "A" : id == kB ? "B" : id; };
  return fmt::format("{} id={} outer={} pod={} qos={} runtime={} name={}", name->type,
                     brief(name->container_id), brief(name->outer_id), name->pod_uid, name->qos,
                     name->runtime, name->name);
}

// "A" and "B" between braces stand for ids, "U" for the pod's uid with dashes, "V" with
// underscores.
std::string Parse(std::string path) {
  const std::pair<std::string, std::string> kNames[] = {
      {"{A}", kA},
      {"{B}", kB},
      {"{U}", "0a1b2c3d-0000-1111-2222-333344445555"},
      {"{V}", "0a1b2c3d_0000_1111_2222_333344445555"},
      {"{S}", "00112233445566778899aabbccddeeff"}};
  for (const auto& [name, value] : kNames) {
    for (size_t at = 0; (at = path.find(name)) != std::string::npos;) {
      path.replace(at, name.size(), value);
    }
  }
  std::string text = Print(ParseCgroupPath(path));
  if (const size_t at = text.find("0a1b2c3d-0000-1111-2222-333344445555"); at != text.npos) {
    text.replace(at, 36, "U");
  }
  return text;
}

}  // namespace

TEST_CASE("kubernetes with the systemd driver") {
  CHECK(Parse("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/"
              "cri-containerd-{A}.scope") ==
        "container id=A outer= pod=U qos=burstable runtime=containerd name=");
  CHECK(Parse("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{V}.slice/"
              "crio-{A}.scope") == "container id=A outer= pod=U qos=besteffort runtime=crio name=");
  CHECK(Parse("/kubepods.slice/kubepods-pod{V}.slice/docker-{A}.scope") ==
        "container id=A outer= pod=U qos=guaranteed runtime=docker name=");
  CHECK(Parse("/kubepods.slice/kubepods-pod{S}.slice/crio-{A}.scope/container") ==
        "container id=A outer= pod=00112233445566778899aabbccddeeff qos=guaranteed runtime=crio "
        "name=");
  CHECK(Parse("/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
              "kubelet-kubepods-burstable-pod{V}.slice/cri-containerd-{A}.scope") ==
        "container id=A outer= pod=U qos=burstable runtime=containerd name=");
}

TEST_CASE("kubernetes with the cgroupfs driver") {
  CHECK(Parse("/kubepods/burstable/pod{U}/{A}") ==
        "container id=A outer= pod=U qos=burstable runtime= name=");
  CHECK(Parse("/kubepods/pod{U}/{A}") ==
        "container id=A outer= pod=U qos=guaranteed runtime= name=");
  CHECK(Parse("/kubepods/besteffort/pod{S}/crio-{A}") ==
        "container id=A outer= pod=00112233445566778899aabbccddeeff qos=besteffort runtime=crio "
        "name=");
  CHECK(Parse("/kubelet/kubepods/burstable/pod{U}/{A}") ==
        "container id=A outer= pod=U qos=burstable runtime= name=");
  CHECK(Parse("/kubepods/burstable/pod{U}/kata_{A}") ==
        "container id=A outer= pod=U qos=burstable runtime=kata name=");
  CHECK(Parse("/system.slice/kubepods-burstable-pod{V}.slice:cri-containerd:{A}") ==
        "container id=A outer= pod=U qos=burstable runtime=containerd name=");
}

TEST_CASE("the folders of a pod around its containers are the pod") {
  CHECK(Parse("/kubepods/burstable/pod{U}") == "pod id= outer= pod=U qos=burstable runtime= name=");
  CHECK(Parse("/kubepods.slice/kubepods-pod{V}.slice") ==
        "pod id= outer= pod=U qos=guaranteed runtime= name=");
  CHECK(Parse("/kubepods.slice/kubepods-pod{V}.slice/crio-conmon-{A}.scope") ==
        "pod id= outer= pod=U qos=guaranteed runtime= name=");
  CHECK(Parse("/kubepods.slice/kubepods-burstable.slice") == "host");
  CHECK(Parse("/kubepods") == "host");
  CHECK(Parse("/kubepods/burstable/pod-of-mine") == "host");
  CHECK(Parse("/elsewhere/pod{U}") == "host");
}

TEST_CASE("docker, containerd and podman without kubernetes") {
  CHECK(Parse("/docker/{A}") == "container id=A outer= pod= qos= runtime=docker name=");
  CHECK(Parse("/system.slice/docker-{A}.scope") ==
        "container id=A outer= pod= qos= runtime=docker name=");
  CHECK(Parse("/default/{A}") == "container id=A outer= pod= qos= runtime=containerd name=");
  CHECK(Parse("/default/my-redis.1") ==
        "container id=my-redis.1 outer= pod= qos= runtime=containerd name=");
  CHECK(Parse("/k8s.io/{A}/sub") == "container id=A outer= pod= qos= runtime=containerd name=");
  CHECK(Parse("/system.slice:cri-containerd:{A}") ==
        "container id=A outer= pod= qos= runtime=containerd name=");
  CHECK(Parse("/machine.slice/libpod-{A}.scope") ==
        "container id=A outer= pod= qos= runtime=podman name=");
  CHECK(Parse("/libpod_parent/libpod-{A}") ==
        "container id=A outer= pod= qos= runtime=podman name=");
  CHECK(
      Parse(
          "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope/container") ==
      "container id=A outer= pod= qos= runtime=podman name=");
  CHECK(Parse("/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope") ==
        "container id=A outer= pod= qos= runtime=podman name=");
  CHECK(Parse("/libpod_parent/{B}") == "host");
  CHECK(Parse("/machine.slice/libpod-conmon-{A}.scope") == "host");
  CHECK(Parse("/libpod_parent/conmon") == "host");
}

TEST_CASE("systemd services") {
  CHECK(Parse("/system.slice/cron.service") ==
        "service id= outer= pod= qos= runtime=systemd name=cron.service");
  CHECK(Parse("/system.slice/system-getty.slice/getty@tty1.service") ==
        "service id= outer= pod= qos= runtime=systemd name=getty@tty1.service");
  CHECK(Parse(R"(/system.slice/system-x\x2dy.slice/x\x2dy@1.service/worker/a.service)") ==
        R"(service id= outer= pod= qos= runtime=systemd name=x\x2dy@1.service)");
  CHECK(Parse("/user.slice/user-1000.slice/user@1000.service/init.scope") ==
        "service id= outer= pod= qos= runtime=systemd name=user@1000.service");
  CHECK(Parse("/user.slice/user-1000.slice/user@1000.service/app.slice/dbus.service/x.service") ==
        "service id= outer= pod= qos= runtime=systemd name=user@1000.service/dbus.service");
  CHECK(Parse("/user.slice/user-1000.slice/session-1.scope") == "host");
  CHECK(Parse("/init.scope") == "host");
  CHECK(Parse("/") == "host");
  CHECK(Parse("") == "host");
}

TEST_CASE("folders inside a container belong to it") {
  CHECK(Parse("/system.slice/docker-{A}.scope/system.slice/cron.service") ==
        "container id=A outer= pod= qos= runtime=docker name=");
  CHECK(Parse("/docker/{A}/init.scope") == "container id=A outer= pod= qos= runtime=docker name=");
  CHECK(Parse("/docker/{A}/kubepods/pod{U}") ==
        "container id=A outer= pod= qos= runtime=docker name=");
}

TEST_CASE("a container inside a container") {
  CHECK(Parse("/docker/{A}/kubelet/kubepods/besteffort/pod{U}/{B}") ==
        "container id=B outer=A pod=U qos=besteffort runtime= name=");
  CHECK(Parse("/system.slice/docker-{A}.scope/kubelet.slice/kubelet-kubepods.slice/"
              "kubelet-kubepods-pod{V}.slice/cri-containerd-{B}.scope") ==
        "container id=B outer=A pod=U qos=guaranteed runtime=containerd name=");
  CHECK(Parse("/kubepods/burstable/pod{U}/{A}/docker/{B}") ==
        "container id=B outer=A pod=U qos=burstable runtime=docker name=");
  CHECK(Parse("/kubepods/burstable/pod{U}/{A}/kubepods/besteffort/pod{S}/{B}") ==
        "container id=B outer=A pod=U qos=burstable runtime= name=");
}

TEST_CASE("the container's own folder is told from those inside") {
  const std::string own = "/kubepods/pod00112233445566778899aabbccddeeff/" + kA;
  CHECK(ParseCgroupPath(own + "/init.scope")->folder_length == own.size());
  CHECK(ParseCgroupPath("/system.slice/a.service/b")->folder_length == 23);
}

TEST_CASE("paths that nobody should make") {
  CHECK(Parse("/../../docker/{A}") == "container id=A outer= pod= qos= runtime=docker name=");
  CHECK(Parse("//docker//{A}//") == "container id=A outer= pod= qos= runtime=docker name=");
  CHECK(Parse("/docker/" + kA + "a") == "host");
  CHECK(Parse("/docker/" + std::string(64, 'A')) == "host");
  CHECK(Parse("/x.slice/\xff\xfe-{A}.scope") == "host");
  CHECK(Parse("/system.slice/\xff.service") == "host");
  CHECK(Parse("/system.slice/a b.service") == "host");
  CHECK(Parse("/a:" + kB) == "host");
  CHECK(Parse(":" + kA) == "host");
  CHECK(Parse("/default/" + std::string(300, 'x')) == "host");
  CHECK(Parse("/docker/{A}" + std::string(5000, '/')) == "host");
  CHECK(Parse(std::string(4096, '-')) == "host");
}
