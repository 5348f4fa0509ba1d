// Files of procfs and cgroupfs that are read again and again.
//
// They stay open, since opening costs more than most of them cost to read; pread at 0 makes the
// kernel write them anew. One of a cgroup that was removed says so, and is opened again where a new
// cgroup has the path. What is read lies in one buffer that is used again: nothing is allocated
// once it has its size. Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collector/instance.h"
#include "collector/root.h"

namespace huatuo {

class FileReader;

// How a file is treated that is not there.
enum class Presence {
  kRequired,  // counted as unreadable
  kOptional,  // this kernel, or this cgroup, does not have it: that is no loss
};

class KeptFile {
 public:
  // `path` is one below Root. A file of a network namespace must not be kept: as long as it is open
  // the namespace lives on.
  explicit KeptFile(std::string path, Presence presence = Presence::kRequired, bool keep = true)
      : path_(std::move(path)), presence_(presence), keep_(keep) {}
  ~KeptFile() { Close(); }
  KeptFile(KeptFile&& other) noexcept;
  KeptFile& operator=(KeptFile&& other) noexcept;

  const std::string& path() const { return path_; }

 private:
  friend class FileReader;
  void Close();

  std::string path_;
  Presence presence_;
  bool keep_;
  int fd_ = -1;
  FileReader* reader_ = nullptr;  // whose account fd_ is on
};

// Reads for one instance and counts for it what could not be read: `unreadable_file`,
// `malformed_file`, `vanished_cgroup`. Outlives its files.
class FileReader {
 public:
  FileReader(const Root& root, const OpenRequest& request, EventSink& sink);

  // The whole text, valid until the next Read or Load; nullopt when there is none. A file larger
  // than 8 MiB is malformed.
  std::optional<std::string_view> Read(KeptFile& file);

  // The same for a caller that counts itself. EFBIG: the file is larger than that.
  struct Loaded {
    std::string_view text;
    int error = 0;  // an errno
  };
  Loaded Load(KeptFile& file);

  // The text was not what such a file should be.
  void CountMalformed() { sink_.Lost(request_, "malformed_file", 1); }

  const Root& root() const { return root_; }

 private:
  friend class KeptFile;
  int Open(KeptFile& file);
  Loaded LoadOnce(KeptFile& file);
  void Refuse(const KeptFile& file, int error);

  const Root& root_;
  const OpenRequest request_;
  EventSink& sink_;
  const size_t max_kept_;
  size_t kept_ = 0;
  std::string name_;
  std::vector<char> buffer_;
};

}  // namespace huatuo
