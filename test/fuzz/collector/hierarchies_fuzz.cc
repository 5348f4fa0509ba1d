// The mounts and cgroups of process 1, and the containers that are looked for there.
// Seeds: mountinfo cgroup cgroup.procs
#include "collector/enrich/containers.h"
#include "collector/enrich/hierarchies.h"
#include "collector/root.h"
#include "common/clock.h"
#include "test/collector/enrich/fixture.h"
#include "test/fuzz/must.h"

namespace huatuo {
namespace {

void Look(const Fixture& tree) {
  const Root root(tree.folder());
  if (const auto found = ReadHierarchies(root); found.ok()) {
    for (const Hierarchy& one : *found) {
      Must(one.mount_point.starts_with('/'));
      Must((one.mount_point + "/").find("/../") == std::string::npos);
    }
  }
  ManualClock clock;
  Containers containers(root, clock);
  (void)containers.Refresh();
}

}  // namespace
}  // namespace huatuo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const huatuo::Fixture tree("v1-subtree-mounted");
  static const std::string kFiles[] = {"/proc/1/mountinfo", "/proc/1/cgroup"};
  const std::string input(reinterpret_cast<const char*>(data), size);
  for (const std::string& path : kFiles) {
    static const huatuo::Fixture captured("v1-subtree-mounted");
    tree.Write(path, input);
    huatuo::Look(tree);
    std::filesystem::copy_file(captured.Path(path), tree.Path(path),
                               std::filesystem::copy_options::overwrite_existing);
  }
  return 0;
}
