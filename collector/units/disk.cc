// Block devices as /proc/diskstats counts them, and file systems that became read-only.
#include "collector/procfs/file_reader.h"
#include "collector/procfs/label.h"
#include "collector/procfs/mounts.h"
#include "collector/procfs/scan.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr auto kCounter = v1::MetricType::COUNTER;
constexpr std::string_view kDeviceLabel[] = {"device"};
constexpr std::string_view kMountLabel[] = {"mountpoint"};

// /proc/diskstats counts in sectors of this size, whatever those of the device are.
constexpr double kSectorBytes = 512;
constexpr double kMillisecond = 1e-3;

// In the order of the fields of /proc/diskstats.
constexpr MetricType kMetrics[] = {
    {"huatuo_node_disk_reads_total", "Reads that completed.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_merged_reads_total", "Reads that became part of another one.", kCounter,
     kDeviceLabel},
    {"huatuo_node_disk_read_bytes_total", "Bytes read.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_read_seconds_total", "Time that all reads took, summed.", kCounter,
     kDeviceLabel},
    {"huatuo_node_disk_writes_total", "Writes that completed.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_merged_writes_total", "Writes that became part of another one.", kCounter,
     kDeviceLabel},
    {"huatuo_node_disk_written_bytes_total", "Bytes written.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_write_seconds_total", "Time that all writes took, summed.", kCounter,
     kDeviceLabel},
    {"huatuo_node_disk_in_progress", "Requests that are under way.", v1::MetricType::GAUGE,
     kDeviceLabel},
    {"huatuo_node_disk_io_seconds_total", "Time in which at least one request was under way.",
     kCounter, kDeviceLabel},
    {"huatuo_node_disk_weighted_io_seconds_total",
     "The same, times the requests that were under way.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_discards_total", "Discards that completed.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_merged_discards_total", "Discards that became part of another one.",
     kCounter, kDeviceLabel},
    {"huatuo_node_disk_discarded_bytes_total", "Bytes discarded.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_discard_seconds_total", "Time that all discards took, summed.", kCounter,
     kDeviceLabel},
    {"huatuo_node_disk_flushes_total", "Flushes that completed.", kCounter, kDeviceLabel},
    {"huatuo_node_disk_flush_seconds_total", "Time that all flushes took, summed.", kCounter,
     kDeviceLabel},
    {"huatuo_node_filesystem_readonly",
     "1: nothing can be written, by its mount or because the kernel found an error. One mount of "
     "each file system that lives on a device or a server.",
     v1::MetricType::GAUGE, kMountLabel},
};
constexpr size_t kFields = std::size(kMetrics) - 1;
constexpr size_t kReadonly = kFields;
constexpr size_t kMinFields = 11;  // discards came with 4.18, flushes with 5.5

constexpr double kUnit[kFields] = {1,
                                   1,
                                   kSectorBytes,
                                   kMillisecond,
                                   1,
                                   1,
                                   kSectorBytes,
                                   kMillisecond,
                                   1,
                                   kMillisecond,
                                   kMillisecond,
                                   1,
                                   1,
                                   kSectorBytes,
                                   kMillisecond,
                                   1,
                                   kMillisecond};

struct Device {
  std::string_view name;
  std::array<double, kFields> value;
  size_t fields = 0;
  bool used = false;  // at any time
};

// major minor name field...; fields of kernels to come are passed over.
std::optional<Device> ParseDevice(std::string_view line) {
  Device device;
  uint32_t major = 0;
  uint32_t minor = 0;
  if (!ParseNumber(Word(line), major) || !ParseNumber(Word(line), minor)) return std::nullopt;
  device.name = Word(line);
  while (device.fields < kFields) {
    const std::string_view word = Word(line);
    if (word.empty()) break;
    uint64_t value = 0;
    if (!ParseNumber(word, value)) return std::nullopt;
    device.used = device.used || value != 0;
    device.value[device.fields] = static_cast<double>(value) * kUnit[device.fields];
    ++device.fields;
  }
  if (device.fields < kMinFields) return std::nullopt;
  return device;
}

class Disk : public Instance {
 public:
  Disk(const OpenRequest& request, const Resources& resources)
      : files_(resources.root, request, resources.sink) {}

  absl::Status SetParameter(size_t, uint64_t) override { return absl::OkStatus(); }

  void Collect(MetricWriter& writer) override {
    CollectDevices(writer);
    if (const auto mounts = mounts_.Read(files_)) {
      for (const Mount& mount : *mounts) {
        const std::string_view label = LabelOf(mount.point, room_);
        writer.Set(kReadonly, {&label, 1}, nullptr, mount.readonly ? 1 : 0);
      }
    }
  }

 private:
  void CollectDevices(MetricWriter& writer) {
    auto text = files_.Read(diskstats_);
    if (!text) return;
    devices_.clear();
    while (const auto line = Line(*text)) {
      const auto device = ParseDevice(*line);
      if (!device) return files_.CountMalformed();
      // Empty loop and RAM devices have nothing to tell.
      if (device->used) devices_.push_back(*device);
    }
    if (!text->empty()) return files_.CountMalformed();
    for (const Device& device : devices_) {
      const std::string_view label = LabelOf(device.name, room_);
      for (size_t i = 0; i < device.fields; ++i) {
        writer.Set(i, {&label, 1}, nullptr, device.value[i]);
      }
    }
  }

  FileReader files_;
  KeptFile diskstats_{"/proc/diskstats"};
  std::vector<Device> devices_;
  std::string room_;
  Mounts mounts_;
};

absl::StatusOr<std::unique_ptr<Instance>> Open(const OpenRequest& request,
                                               const Resources& resources) {
  RETURN_IF_ERROR(resources.root.Read("/proc/diskstats").status());
  return std::make_unique<Disk>(request, resources);
}

constexpr Mechanism kMechanisms[] = {{"procfs", "", &Open}};

constexpr MetricSource kSources[] = {
    {"huatuo_node_filesystem_", "/proc/1/mountinfo"},
    {"huatuo_node_disk_", "/proc/diskstats"},
};

}  // namespace

extern constexpr Unit kDisk = {
    .name = "disk",
    .help = "What block devices do, and which file systems are read-only.",
    .metrics = kMetrics,
    .sources = kSources,
    .mechanisms = kMechanisms,
};

}  // namespace huatuo
