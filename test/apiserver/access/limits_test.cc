#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <string>

#include "apiserver/access/exposure.h"
#include "apiserver/access/rate_limits.h"

namespace huatuo {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'000 * kSecond;

TEST_CASE("a bucket: what it holds at once, then its rate") {
  Bucket bucket(10, 20);
  int taken = 0;
  while (bucket.Take(1, kStart)) ++taken;
  CHECK(taken == 20);
  CHECK(bucket.Wait() == std::chrono::milliseconds(100));
  CHECK_FALSE(bucket.Take(1, kStart + kSecond / 20));
  CHECK(bucket.Take(1, kStart + kSecond / 10));
  for (taken = 0; bucket.Take(1, kStart + 2 * kSecond);) ++taken;
  CHECK(taken == 19);
  CHECK_FALSE(bucket.full(kStart + 2 * kSecond));
  CHECK(bucket.full(kStart + 4 * kSecond));
}

TEST_CASE("a bucket: more than it holds is owed, a clock that stands or goes back gives nothing") {
  Bucket bucket(10, 20);
  CHECK(bucket.Take(50, kStart));
  CHECK_FALSE(bucket.Take(1, kStart));
  CHECK_FALSE(bucket.Take(1, kStart - 100 * kSecond));
  CHECK_FALSE(bucket.Take(1, kStart + 3 * kSecond));
  CHECK(bucket.Take(1, kStart + 4 * kSecond));
  Bucket any(0, 0);
  for (int i = 0; i < 1000; ++i) REQUIRE(any.Take(1e12, kStart));
}

TEST_CASE("limits: one client's do not touch another's") {
  RateLimits limits(5, 10);
  const auto passed = [&](const std::string& name) {
    int count = 0;
    while (limits.Take(name, kStart).count() == 0) ++count;
    return count;
  };
  CHECK(passed("a") == 10);
  CHECK(passed("b") == 10);
  CHECK(limits.Take("a", kStart) == std::chrono::milliseconds(200));
  CHECK(limits.Take("a", kStart + kSecond).count() == 0);
  RateLimits none(0, 0);
  for (int i = 0; i < 1000; ++i) REQUIRE(none.Take("a", kStart).count() == 0);
}

TEST_CASE("limits: invented names share one bucket when there are too many") {
  RateLimits limits(5, 10);
  size_t passed = 0;
  for (size_t i = 0; i < RateLimits::kMostNames + 1000; ++i) {
    if (limits.Take(fmt::format("n{}", i), kStart).count() == 0) ++passed;
  }
  CHECK(passed == RateLimits::kMostNames + 10);
  // Who was quiet makes room.
  CHECK(limits.Take("new", kStart + 10 * kSecond).count() == 0);
}

TEST_CASE("loopback addresses") {
  for (const char* inside : {"127.0.0.1:1", "127.9.9.9:0", "[::1]:80", "localhost:1", "unix:/x"}) {
    CHECK(IsLoopback(inside));
  }
  for (const char* outside : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "", "here", ":1",
                              "127.0.0.1.example:1", "[::ffff:10.0.0.1]:1"}) {
    CHECK_FALSE(IsLoopback(outside));
  }
}

TEST_CASE("exposure: another address needs TLS and somebody who is asked") {
  Exposure e{.http_listen = "127.0.0.1:1", .grpc_listen = "[::1]:1"};
  const auto check = [&] { return std::string(CheckExposure(e).message()); };
  CHECK(check() == "");
  e.http_listen = "0.0.0.0:1";
  CHECK(check() ==
        "http_listen 0.0.0.0:1: reached from other machines without TLS: set "
        "tls.certificate_file and tls.key_file, and without asking who somebody is: set "
        "api_tokens_file; or listen on 127.0.0.1, or set allow_insecure");
  e.tls = true;
  CHECK(check() ==
        "http_listen 0.0.0.0:1: reached from other machines without asking who somebody is: set "
        "api_tokens_file; or listen on 127.0.0.1, or set allow_insecure");
  e.people = true;
  CHECK(check() == "");
  e.grpc_listen = "10.0.0.1:2";
  CHECK(check() ==
        "grpc_listen 10.0.0.1:2: reached from other machines without asking which node it is: set "
        "tls.client_ca_file or join_tokens_file; or listen on 127.0.0.1, or set allow_insecure");
  e.nodes = true;
  CHECK(check() == "");
  e = {.http_listen = "0.0.0.0:1", .grpc_listen = "0.0.0.0:2", .allow_insecure = true};
  CHECK(check() == "");
}

}  // namespace
}  // namespace huatuo
