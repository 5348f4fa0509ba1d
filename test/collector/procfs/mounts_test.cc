#include "collector/procfs/mounts.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

namespace huatuo {
namespace {

std::string Print(std::string_view text) {
  Mounts mounts;
  const auto found = mounts.Parse(text);
  if (!found) return "malformed";
  std::string out;
  for (const Mount& mount : *found) {
    out += fmt::format("{} {} {}\n", mount.device, mount.point, mount.readonly ? "ro" : "rw");
  }
  return out;
}

TEST_CASE("one mount of each file system that stores something") {
  CHECK(Print("24 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw\n"
              "25 24 0:5 / /proc rw - proc proc rw\n"
              "26 24 0:26 / /run rw - tmpfs tmpfs rw,size=1k\n"
              "27 24 254:0 /etc/x /etc/y ro,relatime - ext4 /dev/vda1 rw\n"
              "40 24 8:17 /sub /var/lib/data/sub ro - xfs /dev/sdb1 rw\n"
              "41 24 8:17 / /data rw shared:3 master:1 - xfs /dev/sdb1 ro,attr2\n"
              "42 24 0:44 / /mnt/my\\040disk\\134 ro - nfs4 server:/x rw,vers=4.2\n"
              "43 24 7:3 / /snap/core ro - squashfs /dev/loop3 ro\n"
              "44 24 0:50 / /btrfs rw - btrfs /dev/sdc rw,subvol=/\n"
              "45 24 0:60 / /run/overlay/merged rw - overlay overlay ro\n") ==
        "254:0 / rw\n"
        "8:17 /data ro\n"
        "0:44 /mnt/my disk\\ ro\n"
        "0:50 /btrfs rw\n");
}

TEST_CASE("a mountinfo that was cut or is none") {
  CHECK(Print("") == "malformed");
  CHECK(Print("24 1 254:0 / / rw,relatime - ext4 /dev/vda1 rw") == "malformed");
  CHECK(Print("24 1 254:0 / / rw,relatime\n") == "malformed");
  CHECK(Print("hello\n") == "malformed");
  CHECK(Print("24 1 254:0 / / rw - ext4 /dev/vda1\n") == "malformed");
}

}  // namespace
}  // namespace huatuo
