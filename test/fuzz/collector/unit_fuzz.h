// One metric unit over captured trees whose files are the input.
#pragma once

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "collector/enrich/containers.h"
#include "collector/enrich/kallsyms.h"
#include "collector/enrich/networks.h"
#include "collector/enrich/node_context.h"
#include "collector/instance.h"
#include "collector/kernel/sched_probe.h"
#include "collector/self_report.h"
#include "common/clock.h"
#include "test/collector/enrich/fixture.h"
#include "test/fuzz/must.h"

namespace huatuo {

// Whatever a file says: numbers that are numbers, and labels that a server takes.
class StrictWriter : public MetricWriter {
 public:
  explicit StrictWriter(const Unit& unit) : unit_(unit) {}

  void Set(size_t metric, std::span<const std::string_view> labels, const v1::Container* container,
           double value) override {
    Must(metric < unit_.metrics.size());
    const MetricType& type = unit_.metrics[metric];
    Must(type.labels.size() == labels.size());
    Must(type.container == (container != nullptr));
    for (const std::string_view label : labels) MustBeText(label);
    Must(std::isfinite(value));
  }
  void SetHistogram(size_t, std::span<const std::string_view>, const v1::Container*,
                    std::span<const uint64_t>, double, int64_t) override {
    Must(false);  // those come from maps
  }

 private:
  const Unit& unit_;
};

// kTogether: all at once, for units whose files have nothing to do with each other. kInTurn: one
// after the other, the rest as captured, where a bad file ends the reading of further ones.
enum class Replace { kTogether, kInTurn };

class UnitFuzz : EventSink {
 public:
  // `files` are the last parts of the paths of what the unit reads in `tree`.
  UnitFuzz(const Unit& unit, const std::string& tree, std::span<const std::string_view> files)
      : unit_(unit), tree_(tree), root_(tree_.folder()), containers_(root_, clock_) {
    clock_.Advance(1'000'000'000'000);
    Must(containers_.Refresh().ok());
    for (const Parameter& parameter : unit.parameters) {
      parameters_.push_back(parameter.default_value);
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree_.folder())) {
      const std::string path = entry.path().string().substr(tree_.folder().size());
      for (const std::string_view file : files) {
        if (path.ends_with(file) && entry.is_regular_file()) Add(path);
      }
    }
    Must(!files_.empty());
  }

  void Run(std::string_view input, Replace replace) {
    OpenRequest request;
    request.unit = &unit_;
    request.parameters = parameters_;
    auto opened = unit_.mechanisms.back().open(request, resources_);
    Must(opened.ok());
    Collect(**opened);
    for (const File& file : files_) {
      tree_.Write(file.path, std::string(input));
      if (replace == Replace::kTogether) continue;
      Collect(**opened);
      tree_.Write(file.path, file.text);
    }
    Collect(**opened);
    if (replace == Replace::kInTurn) return;
    for (const File& file : files_) tree_.Write(file.path, file.text);
  }

 private:
  struct File {
    std::string path;
    std::string text;  // as captured
  };

  void Emit(const OpenRequest&, size_t, std::shared_ptr<const void>) override { Must(false); }
  void Lost(const OpenRequest&, std::string_view, uint64_t) override {}

  void Add(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(tree_.Path(path)).rdbuf();
    files_.push_back({path, text.str()});
  }

  void Collect(Instance& unit) {
    clock_.Advance(10'000'000'000);
    StrictWriter writer(unit_);
    unit.Collect(writer);
  }

  const Unit& unit_;
  Fixture tree_;
  Root root_;
  ManualClock clock_;
  Containers containers_;
  Kallsyms symbols_{root_, clock_};
  Networks networks_{root_, clock_, containers_};
  NodeContext context_{containers_, networks_, symbols_};
  SchedProbeOwner sched_;
  SelfReport report_;
  Resources resources_{root_, clock_, context_, sched_, *this, report_};
  std::vector<uint64_t> parameters_;
  std::vector<File> files_;
};

// On a tree of cgroup v2 and one of v1.
class UnitFuzzes {
 public:
  UnitFuzzes(const Unit& unit, std::initializer_list<std::string_view> files)
      : v2_(unit, "v2-systemd-containerd", {files.begin(), files.size()}),
        v1_(unit, "v1-cgroupfs-docker", {files.begin(), files.size()}) {}

  int Run(const uint8_t* data, size_t size, Replace replace = Replace::kTogether) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    v2_.Run(input, replace);
    v1_.Run(input, replace);
    return 0;
  }

 private:
  UnitFuzz v2_;
  UnitFuzz v1_;
};

}  // namespace huatuo
