#include "apiserver/store/profile_blob.h"

#include <fmt/format.h>
#include <zstd.h>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Of an unpacked profile; the proto allows 4 MiB.
constexpr size_t kMaxBytes = 64 << 20;

}  // namespace

std::string PackProfile(const v1::Profile& profile) {
  const std::string bytes = profile.SerializeAsString();
  std::string blob(ZSTD_compressBound(bytes.size()), '\0');
  // Cannot fail with room for the bound.
  const size_t size =
      ZSTD_compress(blob.data(), blob.size(), bytes.data(), bytes.size(), ZSTD_CLEVEL_DEFAULT);
  blob.resize(size);
  return blob;
}

absl::StatusOr<v1::Profile> UnpackProfile(std::string_view blob) {
  const unsigned long long size = ZSTD_getFrameContentSize(blob.data(), blob.size());
  // The two errors of zstd are the largest numbers.
  if (size > kMaxBytes) return Internal("profile: not a blob of at most 64 MiB");
  std::string bytes(size, '\0');
  const size_t got = ZSTD_decompress(bytes.data(), bytes.size(), blob.data(), blob.size());
  if (ZSTD_isError(got) != 0) {
    return Internal(fmt::format("profile: {}", ZSTD_getErrorName(got)));
  }
  v1::Profile profile;
  if (got != size || !profile.ParseFromString(bytes)) return Internal("profile: cannot be parsed");
  return profile;
}

absl::StatusOr<std::optional<v1::Profile>> LoadProfile(ProfileQuerier& store, std::string_view id) {
  ASSIGN_OR_RETURN(const std::optional<std::string> blob, store.Blob(id));
  if (!blob) return std::nullopt;
  ASSIGN_OR_RETURN(v1::Profile profile, UnpackProfile(*blob));
  return profile;
}

}  // namespace huatuo
