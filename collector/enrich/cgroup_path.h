// What the path of a cgroup tells about the container, pod or systemd service it was made for.
//
// Container runtimes do not register with the kernel; the folder names they choose are the only
// thing that every runtime, driver and cgroup version has in common. Known layouts:
//
//   kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/<runtime>-<id>.scope
//   kubepods/burstable/pod<uid>/<id>              (the same with the cgroupfs driver)
//   kubelet.slice/kubelet-kubepods.slice/...      (kind, --cgroup-root)
//   docker/<id>   system.slice/docker-<id>.scope
//   machine.slice/libpod-<id>.scope   libpod_parent/libpod-<id>
//   k8s.io/<id>   default/<name>   <slice>:cri-containerd:<id>
//   system.slice/<unit>.service   user.slice/.../user@<uid>.service/.../<unit>.service
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace huatuo {

struct ContainerName {
  std::string container_id;  // 64 hex digits; containerd's own clients may choose other names
  std::string outer_id;      // of the container that this one runs inside (docker in docker, kind)
  std::string pod_uid;       // with dashes; of a static pod the 32 digits that the path carries
  std::string qos;           // guaranteed, burstable, besteffort; "" outside Kubernetes
  std::string runtime;       // docker, containerd, crio, podman, kata, systemd, ...; "" not told
  std::string type;          // container; pod (the cgroup around the containers); service
  std::string name;          // of a service, "user@<uid>.service/" before a user's own unit
  size_t folder_length = 0;  // the part of the path that names its own folder
};

// The innermost container of `path`, else the pod, else the systemd service; nullopt for the rest
// of the host. `path` is relative to the root of its hierarchy and may be anything: a process that
// may make cgroups chooses it. Folders inside a container belong to it, whatever their names.
std::optional<ContainerName> ParseCgroupPath(std::string_view path);

}  // namespace huatuo
