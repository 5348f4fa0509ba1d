#include "test/bpf/cgroup_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace huatuo {
namespace {

// 0 when the controller is on v2 or not there at all.
uint32_t HierarchyOf(const std::string& controller) {
  std::ifstream list("/proc/cgroups");
  std::string name;
  std::string rest;
  for (uint32_t hierarchy = 0; list >> name;) {
    if (name == controller && list >> hierarchy) {
      return hierarchy;
    }
    std::getline(list, rest);
  }
  return 0;
}

bool WriteFile(const std::string& path, const std::string& value) {
  std::ofstream file(path);
  file << value << std::flush;
  return file.good();
}

}  // namespace

CgroupFolder::CgroupFolder(const std::string& controller, const std::string& name) {
  ref_.hierarchy = HierarchyOf(controller);
  std::string root = "/sys/fs/cgroup";
  if (!v2()) {
    root += "/" + controller;
  } else {
    WriteFile(root + "/cgroup.subtree_control", "+" + controller.substr(0, controller.find('/')));
  }
  path_ = root + "/" + name;
  struct stat about = {};
  ok_ = mkdir(path_.c_str(), 0755) == 0 && stat(path_.c_str(), &about) == 0;
  ref_.id = about.st_ino;
}

CgroupFolder::~CgroupFolder() {
  if (ok_) {
    rmdir(path_.c_str());
  }
}

bool CgroupFolder::Write(const std::string& file, const std::string& value) const {
  return WriteFile(path_ + "/" + file, value);
}

}  // namespace huatuo
