#include "common/thread_name.h"

#include <pthread.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>

namespace huatuo {
namespace {

std::string NameAfter(const char* name) {
  char text[16] = {};
  std::thread([&] {
    NameThread(name);
    pthread_getname_np(pthread_self(), text, sizeof(text));
  }).join();
  return text;
}

TEST_CASE("a thread has its name, and the process keeps its own") {
  char before[16] = {};
  char after[16] = {};
  pthread_getname_np(pthread_self(), before, sizeof(before));
  CHECK(NameAfter("spool") == "spool");
  CHECK(NameAfter("longer than fifteen") == "longer than fif");
  pthread_getname_np(pthread_self(), after, sizeof(after));
  CHECK(std::string(before) == after);
}

}  // namespace
}  // namespace huatuo
