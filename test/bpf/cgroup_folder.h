// A cgroup of the test's own, on whichever hierarchy has the controller.
#pragma once

#include <string>

#include "bpf/event.h"

namespace huatuo {

// Creates `name` below the controller's root, v1 or v2; removed by the destructor, when it must be
// empty again. ok() is false where the controller is on neither (or we are not root).
class CgroupFolder {
 public:
  CgroupFolder(const std::string& controller, const std::string& name);
  ~CgroupFolder();
  CgroupFolder(const CgroupFolder&) = delete;
  CgroupFolder& operator=(const CgroupFolder&) = delete;

  bool ok() const { return ok_; }
  bool v2() const { return ref_.hierarchy == 0; }
  const cgroup_ref& ref() const { return ref_; }
  const std::string& path() const { return path_; }
  bool Write(const std::string& file, const std::string& value) const;
  bool Add(int pid) const { return Write("cgroup.procs", std::to_string(pid)); }

 private:
  std::string path_;
  cgroup_ref ref_ = {};
  bool ok_ = false;
};

}  // namespace huatuo
