#include "collector/enrich/kallsyms.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "test/collector/enrich/fixture.h"

using namespace huatuo;  // NOLINT

TEST_CASE("addresses as functions") {
  const Root root(FixturePath("v2-systemd-containerd"));
  const ManualClock clock;
  Kallsyms symbols(root, clock);
  CHECK(symbols.Ready().ok());
  CHECK(symbols.Name(0xffffffff81000000) == "_stext+0x0");
  CHECK(symbols.Name(0xffffffff8100010f) == "_stext+0x10f");
  CHECK(symbols.Name(0xffffffff81000110) == "do_exit+0x0");
  CHECK(symbols.Name(0xffffffff81000123) == "do_exit+0x13");
  CHECK(symbols.Name(0xffffffff81000501) == "weak_one+0x101");
  CHECK(symbols.Name(0xffffffffc0200008) == "nf_hook+0x8 [nf_tables]");
  CHECK(symbols.Name(0xffffffffc01fffff) == "first_hook+0xfffff [nf_nat]");
  CHECK(symbols.Name(0xffff800000001002) == "other_half+0x2 [bpf]");
}

TEST_CASE("addresses in no function") {
  const Root root(FixturePath("v2-systemd-containerd"));
  const ManualClock clock;
  Kallsyms symbols(root, clock);
  CHECK(symbols.Name(0xffffffff80ffffff) == "0xffffffff80ffffff");
  CHECK(symbols.Name(0xffffffffc0400000) == "0xffffffffc0400000");
  CHECK(symbols.Name(0xffff800000000fff) == "0xffff800000000fff");
  CHECK(symbols.Name(0x401000) == "0x401000");
}

// "0x10 bytes from 0xffffffff81000110".
std::string Where(Kallsyms& symbols, std::string_view function) {
  const std::optional<CodeRange> code = symbols.Find(function);
  if (!code.has_value()) return "not known";
  return fmt::format("{:#x} bytes from {:#x}", code->bytes, code->begin);
}

TEST_CASE("where functions are") {
  const Root root(FixturePath("v2-systemd-containerd"));
  const ManualClock clock;
  Kallsyms symbols(root, clock);
  CHECK(Where(symbols, "do_exit") == "0x2f0 bytes from 0xffffffff81000110");
  // The last two have no end.
  for (const char* none : {"hook", "do_exi", "some_data", "", "nf_hook", "other_half"}) {
    CHECK(Where(symbols, none) == "not known");
  }
}

TEST_CASE("hidden addresses are told") {
  const Root root(FixturePath("v1-cgroupfs-docker"));
  const ManualClock clock;
  Kallsyms symbols(root, clock);
  CHECK(symbols.Ready().message() ==
        "read /proc/kallsyms: addresses are hidden (kernel.kptr_restrict)");
  CHECK(symbols.Name(0xffffffff81000000) == "0xffffffff81000000");
}

TEST_CASE("code loaded later is found after a minute, or when told") {
  const Fixture tree("v2-systemd-containerd");
  const Root root(tree.folder());
  ManualClock clock;
  Kallsyms symbols(root, clock);
  CHECK(symbols.Name(0xffffffffd0000000) == "0xffffffffd0000000");
  tree.Write("/proc/kallsyms", "ffffffffd0000000 t late\t[late]\n");
  clock.Advance(59'000'000'000);
  CHECK(symbols.Name(0xffffffffd0000000) == "0xffffffffd0000000");
  clock.Advance(1'000'000'000);
  CHECK(symbols.Name(0xffffffffd0000000) == "late+0x0 [late]");
  tree.Write("/proc/kallsyms", "ffffffffd0000000 t other\t[other]\n");
  symbols.Reload();
  CHECK(symbols.Name(0xffffffffd0000000) == "other+0x0 [other]");
}

TEST_CASE("a module that was loaded later never gets its neighbour's name") {
  const Fixture tree("v2-systemd-containerd");
  tree.Write("/proc/kallsyms", "ffffffffd0000100 t ovl_exit\t[overlay]\n");
  tree.Write("/proc/modules", "overlay 8192 1 - Live 0xffffffffd0000000\n");
  const Root root(tree.folder());
  ManualClock clock;
  Kallsyms symbols(root, clock);
  CHECK(symbols.Name(0xffffffffd0001fff) == "ovl_exit+0x1eff [overlay]");
  CHECK(symbols.Name(0xffffffffd0002000) == "0xffffffffd0002000");
  tree.Write("/proc/kallsyms",
             "ffffffffd0000100 t ovl_exit\t[overlay]\n"
             "ffffffffd0002000 t nft_do_chain\t[nf_tables]\n");
  tree.Write("/proc/modules",
             "nf_tables 4096 0 - Live 0xffffffffd0002000\n"
             "overlay 8192 1 nf_tables, Live 0xffffffffd0000000 (OE)\n");
  clock.Advance(1'000'000'000);
  CHECK(symbols.Name(0xffffffffd0002010) == "nft_do_chain+0x10 [nf_tables]");
}

TEST_CASE("a module in the place of one that went is seen") {
  const Fixture tree("v2-systemd-containerd");
  tree.Write("/proc/kallsyms", "ffffffffd0000000 t first\t[first]\n");
  tree.Write("/proc/modules", "first 4096 0 - Live 0xffffffffd0000000\n");
  const Root root(tree.folder());
  ManualClock clock;
  Kallsyms symbols(root, clock);
  CHECK(symbols.Name(0xffffffffd0000008) == "first+0x8 [first]");
  tree.Write("/proc/kallsyms", "ffffffffd0000000 t second\t[second]\n");
  tree.Write("/proc/modules", "second 8192 0 - Live 0xffffffffd0000000\n");
  CHECK(symbols.Name(0xffffffffd0000008) == "first+0x8 [first]");
  clock.Advance(1'000'000'000);
  CHECK(symbols.Name(0xffffffffd0000008) == "second+0x8 [second]");
}
