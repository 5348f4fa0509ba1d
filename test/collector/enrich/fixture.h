// Copies of the trees in test/root, which a test may change.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "collector/enrich/cgroup_ref.h"

namespace huatuo {

inline std::string FixturePath(const std::string& name) { return TEST_DIR "/../../root/" + name; }

// An own copy of the tree `name`, or an empty folder for "".
class Fixture {
 public:
  explicit Fixture(const std::string& name) {
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
    if (!name.empty()) {
      std::filesystem::copy(FixturePath(name), folder_, std::filesystem::copy_options::recursive);
    }
  }
  ~Fixture() { std::filesystem::remove_all(folder_); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  const std::string& folder() const { return folder_; }
  std::string Path(const std::string& path) const { return folder_ + path; }
  void Make(const std::string& path) const { std::filesystem::create_directories(Path(path)); }
  void Remove(const std::string& path) const { std::filesystem::remove_all(Path(path)); }
  void Write(const std::string& path, const std::string& text) const {
    std::ofstream(Path(path)) << text;
  }
  CgroupRef Ref(uint32_t hierarchy, const std::string& path) const {
    struct stat status {};
    if (stat(Path(path).c_str(), &status) != 0) return {};
    return {status.st_ino, hierarchy};
  }

 private:
  std::string folder_ = std::filesystem::temp_directory_path() / "huatuo-fixture-XXXXXX";
};

}  // namespace huatuo
