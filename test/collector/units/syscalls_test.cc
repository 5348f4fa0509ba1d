#include "collector/syscalls.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <catch2/catch.hpp>

#include "collector/parameters.h"
#include "common/status.h"

namespace huatuo {

extern const Unit kSyscalls;

namespace {

std::string Print(std::string_view text) {
  const auto parsed = ParseSyscalls(text);
  if (!parsed.ok()) return Message(parsed.status());
  std::string line;
  for (const Syscall& each : *parsed) line += fmt::format("{}={} ", each.name, each.number);
  return line;
}

TEST_CASE("names of system calls are their numbers here") {
  CHECK(Print("").empty());
  CHECK(Print(" , ,").empty());
  CHECK(Print("read,  openat ,fsync") ==
        fmt::format("read={} openat={} fsync={} ", SYS_read, SYS_openat, SYS_fsync));
}

TEST_CASE("what is not a system call, or too many, is refused by name") {
  CHECK(
      Print("read,reed") ==
      "\"reed\": not a system call of this machine: accepted are names such as read,openat,fsync");
  CHECK(Print("read;write").starts_with("\"read;write\": not a system call"));
  CHECK(Print("read,write,read") == "\"read\": named twice");
  const std::string sixteen =
      "read,write,close,fstat,lseek,mmap,mprotect,munmap,brk,ioctl,pread64,pwrite64,readv,writev,"
      "madvise,dup";
  CHECK(Print(sixteen).ends_with(fmt::format("dup={} ", SYS_dup)));
  CHECK(Print(sixteen + ",dup3") == "more than 16 system calls");
  CHECK(Message(CheckFilter(kSyscalls, "reed")).starts_with("filter: \"reed\""));
  CHECK(CheckFilter(kSyscalls, "read").ok());
}

}  // namespace
}  // namespace huatuo
