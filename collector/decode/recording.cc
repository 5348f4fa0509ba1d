#include "collector/decode/recording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "bpf/event.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr char kMagic[] = "HUATUOR1";
constexpr size_t kMagicBytes = 8;
constexpr uint32_t kMaxFrame = 16 << 20;
enum FrameKind : uint8_t { kCatalog = 1, kRecord = 2, kEvent = 3, kProfile = 4 };

struct FrameHeader {
  uint8_t kind;
  uint8_t reserved[3];
  uint32_t length;
};
static_assert(sizeof(FrameHeader) == 8);

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Where the recording's unit and event numbers are in today's catalog.
class Translation {
 public:
  Translation(const v1::Catalog& from, const v1::Catalog& to) {
    for (const v1::Unit& unit : from.units()) units_.push_back(Find(unit, to));
  }

  // False when today's catalog has no such unit or event.
  bool Apply(uint32_t& unit, uint32_t& event) const {
    if (unit >= units_.size() || !units_[unit].has_value()) return false;
    const Target& target = *units_[unit];
    if (event >= target.events.size() || target.events[event] < 0) return false;
    unit = target.unit;
    event = static_cast<uint32_t>(target.events[event]);
    return true;
  }

 private:
  struct Target {
    uint32_t unit;
    std::vector<int> events;
  };

  static std::optional<Target> Find(const v1::Unit& unit, const v1::Catalog& to) {
    for (int i = 0; i < to.units_size(); ++i) {
      if (to.units(i).name() != unit.name()) continue;
      Target target{static_cast<uint32_t>(i), {}};
      for (const v1::EventType& event : unit.events()) {
        int found = -1;
        for (int k = 0; k < to.units(i).events_size(); ++k) {
          if (to.units(i).events(k).name() == event.name()) found = k;
        }
        target.events.push_back(found);
      }
      return target;
    }
    return std::nullopt;
  }

  std::vector<std::optional<Target>> units_;
};

// One pass over a file.
class Player {
 public:
  Player(const std::string& path, const v1::Catalog& catalog, const RecordingReader& reader)
      : path_(path), catalog_(catalog), reader_(reader) {}

  absl::StatusOr<uint64_t> Play(std::FILE* file) {
    char magic[kMagicBytes];
    if (std::fread(magic, 1, kMagicBytes, file) != kMagicBytes ||
        std::memcmp(magic, kMagic, kMagicBytes) != 0) {
      return Refuse("not a recording");
    }
    offset_ = kMagicBytes;
    FrameHeader header;
    while (std::fread(&header, sizeof(header), 1, file) == 1) {
      if (header.length > kMaxFrame) return Refuse("a frame of over 16 MiB");
      std::string payload(header.length, '\0');
      if (std::fread(payload.data(), 1, payload.size(), file) != payload.size()) break;
      RETURN_IF_ERROR(Frame(header.kind, payload));
      offset_ += sizeof(header) + payload.size();
    }
    return skipped_;
  }

 private:
  absl::Status Refuse(std::string_view why) const {
    return InvalidArgument(fmt::format("{}: at byte {}: {}", path_, offset_, why));
  }

  absl::Status Frame(uint8_t kind, std::string& payload) {
    if (kind == kCatalog) {
      v1::Catalog recorded;
      if (!recorded.ParseFromString(payload)) return Refuse("a catalog that cannot be read");
      translation_.emplace(recorded, catalog_);
      return absl::OkStatus();
    }
    if (!translation_.has_value()) return Refuse("no catalog before the first record");
    if (kind == kRecord) return Record(payload);
    if (kind == kEvent) return Event(payload);
    if (kind == kProfile) return Profile(payload);
    return Refuse(fmt::format("a frame of unknown kind {}", kind));
  }

  absl::Status Record(std::string& payload) {
    if (payload.size() < sizeof(event_header)) return Refuse("a record shorter than its header");
    event_header header;
    std::memcpy(&header, payload.data(), sizeof(header));
    uint32_t unit = header.unit;
    uint32_t record = header.record;
    if (!translation_->Apply(unit, record)) {
      ++skipped_;
      return absl::OkStatus();
    }
    header.unit = static_cast<uint16_t>(unit);
    header.record = static_cast<uint16_t>(record);
    header.instance = 0;
    std::memcpy(payload.data(), &header, sizeof(header));
    reader_.record(Bytes(payload));
    return absl::OkStatus();
  }

  absl::Status Event(const std::string& payload) {
    v1::Event event;
    if (!event.ParseFromString(payload)) return Refuse("an event that cannot be read");
    uint32_t unit = event.unit();
    uint32_t type = event.type();
    if (!translation_->Apply(unit, type)) {
      ++skipped_;
      return absl::OkStatus();
    }
    event.set_unit(unit);
    event.set_type(type);
    reader_.event(std::move(event));
    return absl::OkStatus();
  }

  absl::Status Profile(const std::string& payload) {
    v1::Profile profile;
    if (!profile.ParseFromString(payload)) return Refuse("a profile that cannot be read");
    const auto& units = catalog_.units();
    const bool known = std::any_of(units.begin(), units.end(), [&](const v1::Unit& unit) {
      return unit.name() == profile.unit();
    });
    if (!known) ++skipped_;
    if (known && reader_.profile) reader_.profile(std::move(profile));
    return absl::OkStatus();
  }

  const std::string& path_;
  const v1::Catalog& catalog_;
  const RecordingReader& reader_;
  std::optional<Translation> translation_;
  uint64_t offset_ = 0;
  uint64_t skipped_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RecordingWriter>> RecordingWriter::Create(
    const std::string& path, const v1::Catalog& catalog) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return ErrnoStatus(errno, "create " + path);
  std::unique_ptr<RecordingWriter> writer(new RecordingWriter(file, path));
  if (std::fwrite(kMagic, 1, kMagicBytes, file) != kMagicBytes) {
    return ErrnoStatus(errno, "write " + path);
  }
  const std::string text = catalog.SerializeAsString();
  writer->Frame(kCatalog, Bytes(text));
  return writer;
}

RecordingWriter::~RecordingWriter() { std::fclose(file_); }

void RecordingWriter::Record(std::span<const std::byte> record) { Frame(kRecord, record); }

void RecordingWriter::Event(const v1::Event& event) {
  const std::string text = event.SerializeAsString();
  Frame(kEvent, Bytes(text));
}

void RecordingWriter::Profile(const v1::Profile& profile) {
  const std::string text = profile.SerializeAsString();
  Frame(kProfile, Bytes(text));
}

void RecordingWriter::Frame(uint8_t kind, std::span<const std::byte> payload) {
  const std::lock_guard lock(mutex_);
  if (!status_.ok()) return;
  const FrameHeader header{kind, {}, static_cast<uint32_t>(payload.size())};
  if (std::fwrite(&header, sizeof(header), 1, file_) != 1 ||
      std::fwrite(payload.data(), 1, payload.size(), file_) != payload.size() ||
      std::fflush(file_) != 0) {
    status_ = ErrnoStatus(errno, "write " + path_);
  }
}

absl::StatusOr<uint64_t> Replay(const std::string& path, const v1::Catalog& catalog,
                                const RecordingReader& reader) {
  const File file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (file == nullptr) return ErrnoStatus(errno, "open " + path);
  return Player(path, catalog, reader).Play(file.get());
}

}  // namespace huatuo
