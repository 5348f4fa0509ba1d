#include "collector/procfs/mounts.h"

#include <algorithm>
#include <array>

#include "collector/procfs/scan.h"

namespace huatuo {
namespace {

// Without a device of their own (major 0), but with files that stay.
constexpr std::array<std::string_view, 13> kStoring = {
    "9p",  "bcachefs", "btrfs",    "ceph", "cifs", "fuse.glusterfs", "gpfs", "lustre",
    "nfs", "nfs4",     "virtiofs", "smb3", "zfs"};

constexpr std::array<std::string_view, 6> kNeverWritable = {"cramfs", "erofs",    "iso9660",
                                                            "romfs",  "squashfs", "udf"};

// Space, tab, newline and backslash are written as \040 and the like.
void Unescape(std::string_view text, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && i + 3 < text.size() && ParseNumber(text.substr(i + 1, 3), code, 8)) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
}

bool IsReadonly(std::string_view options) { return options == "ro" || options.starts_with("ro,"); }

}  // namespace

void Mounts::Offer(std::string_view device, std::string_view point, bool readonly) {
  Unescape(point, point_);
  const auto end = mounts_.begin() + static_cast<ptrdiff_t>(count_);
  const auto known = std::find_if(mounts_.begin(), end,
                                  [&](const Mount& mount) { return mount.device == device; });
  if (known == end) {
    if (count_ == mounts_.size()) mounts_.emplace_back();
    Mount& mount = mounts_[count_++];
    mount.device = device;
    mount.point = point_;
    mount.readonly = readonly;
  } else if (point_.size() < known->point.size()) {
    known->point = point_;
    known->readonly = readonly;
  }
}

// id parent major:minor root point options [optional...] - type source options
bool Mounts::ParseLine(std::string_view line) {
  Word(line);
  Word(line);
  const std::string_view device = Word(line);
  Word(line);
  const std::string_view point = Word(line);
  const std::string_view options = Word(line);
  const size_t dash = line.find(" - ");
  if (dash == std::string_view::npos || device.find(':') == std::string_view::npos) return false;
  line.remove_prefix(dash + 3);
  const std::string_view type = Word(line);
  Word(line);
  const std::string_view of_all = Word(line);
  if (of_all.empty()) return false;
  const bool stores =
      !device.starts_with("0:") || std::ranges::find(kStoring, type) != kStoring.end();
  if (!stores || std::ranges::find(kNeverWritable, type) != kNeverWritable.end()) return true;
  Offer(device, point, IsReadonly(options) || IsReadonly(of_all));
  return true;
}

std::optional<std::span<const Mount>> Mounts::Parse(std::string_view text) {
  count_ = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto line = Line(text);
    if (!line || !ParseLine(*line)) return std::nullopt;
  }
  return std::span(mounts_.data(), count_);
}

std::optional<std::span<const Mount>> Mounts::Read(FileReader& files) {
  const auto text = files.Read(init_);
  if (!text) return std::nullopt;
  const auto mounts = Parse(*text);
  if (!mounts) files.CountMalformed();
  return mounts;
}

}  // namespace huatuo
