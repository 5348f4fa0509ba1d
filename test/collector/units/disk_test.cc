#include "test/collector/units/unit_bench.h"

namespace huatuo {

extern const Unit kDisk;

namespace {

constexpr const char* kVda =
    " 254       0 vda 1527959 168686 108116090 2777551 1233884 353308 255740960 1989117 2 376380 "
    "4829671 233381 103 169980192 53462 109343 9539\n";

TEST_CASE("disks: counts as they are, sectors as bytes, milliseconds as seconds") {
  UnitBench bench(kDisk, "v2-systemd-containerd");
  bench.tree.Write("/proc/diskstats",
                   std::string("   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n") + kVda);
  const MetricLines round = bench.Round();
  CHECK(round.With("_disk_") ==
        "huatuo_node_disk_discard_seconds_total vda 53.462\n"
        "huatuo_node_disk_discarded_bytes_total vda 8.70299e+10\n"
        "huatuo_node_disk_discards_total vda 233381\n"
        "huatuo_node_disk_flush_seconds_total vda 9.539\n"
        "huatuo_node_disk_flushes_total vda 109343\n"
        "huatuo_node_disk_in_progress vda 2\n"
        "huatuo_node_disk_io_seconds_total vda 376.38\n"
        "huatuo_node_disk_merged_discards_total vda 103\n"
        "huatuo_node_disk_merged_reads_total vda 168686\n"
        "huatuo_node_disk_merged_writes_total vda 353308\n"
        "huatuo_node_disk_read_bytes_total vda 5.53554e+10\n"
        "huatuo_node_disk_read_seconds_total vda 2777.55\n"
        "huatuo_node_disk_reads_total vda 1.52796e+06\n"
        "huatuo_node_disk_weighted_io_seconds_total vda 4829.67\n"
        "huatuo_node_disk_write_seconds_total vda 1989.12\n"
        "huatuo_node_disk_writes_total vda 1.23388e+06\n"
        "huatuo_node_disk_written_bytes_total vda 1.30939e+11\n");
  CHECK(round.With("readonly") == "huatuo_node_filesystem_readonly / 0\n");
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("an older kernel counts less, a newer one more") {
  UnitBench bench(kDisk, "v2-systemd-containerd");
  const auto series = [&](const std::string& line) {
    bench.tree.Write("/proc/diskstats", line);
    const std::string text = bench.Round().With("_disk_");
    return std::count(text.begin(), text.end(), '\n');
  };
  CHECK(series("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n") == 11);
  CHECK(series("8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n") == 15);
  CHECK(series("8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19\n") == 17);
  CHECK(series("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n 8 1 sda1 1 0 0 0 0 0 0 0 0 0 0\n") == 22);
  CHECK(bench.losses.Text().empty());
}

TEST_CASE("a file system that became read-only; names with spaces, quotes and bad UTF-8") {
  UnitBench bench(kDisk, "v2-systemd-containerd");
  bench.tree.Write("/proc/diskstats", kVda);
  bench.tree.Write("/proc/1/mountinfo",
                   "24 1 254:0 / / rw,relatime - ext4 /dev/vda1 ro,errors=remount-ro\n"
                   "25 1 8:1 / /mnt/a\\040\"b\"\xc3\xa9 rw - xfs /dev/sda1 rw\n"
                   "26 1 8:2 / /mnt/\xff rw - xfs /dev/sda2 rw\n");
  CHECK(bench.Round().With("readonly") ==
        "huatuo_node_filesystem_readonly / 1\n"
        "huatuo_node_filesystem_readonly /mnt/? 0\n"
        "huatuo_node_filesystem_readonly /mnt/a \"b\"\xc3\xa9 0\n");
}

TEST_CASE("a bad diskstats costs the disks of this round, and is counted") {
  UnitBench bench(kDisk, "v2-systemd-containerd");
  const auto after = [&](const std::string& text) {
    bench.tree.Write("/proc/diskstats", text);
    return bench.Round().With("_disk_");
  };
  CHECK_FALSE(after(kVda).empty());
  CHECK(after("8 0 sda 1 2 3 4 5 6 7 8 9 10 11").empty());
  CHECK(after(std::string(kVda) + "8 0 sda 1 2 3\n").empty());
  CHECK(after("8 0 sda 1 2 3 4 5 6 7 8 9 10 18446744073709551616\n").empty());
  CHECK(after("8 0 sda 1 2 3 4 -5 6 7 8 9 10 11\n").empty());
  CHECK(after("nonsense\n").empty());
  CHECK(after(std::string(9 << 20, 'x')).empty());
  CHECK(bench.losses.Text() == "malformed_file 6\n");
  // A machine without disks.
  CHECK(after("").empty());
  CHECK(bench.losses.Text() == "malformed_file 6\n");
  bench.tree.Write("/proc/1/mountinfo", "cut");
  CHECK(bench.Round().With("readonly").empty());
  CHECK(bench.losses.Text() == "malformed_file 7\n");
}

}  // namespace
}  // namespace huatuo
