#include <fmt/format.h>
#include <prometheus/registry.h>
#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

#include "apiserver/access/audit_log.h"
#include "apiserver/access/certificates.h"
#include "apiserver/access/read_file.h"
#include "apiserver/access/reload.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/status.h"

namespace huatuo {
namespace {

struct Folder {
  ~Folder() { std::filesystem::remove_all(path); }
  std::string Write(const std::string& name, const std::string& text) const {
    const std::string file = path + "/" + name;
    std::ofstream(file) << text;
    return file;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(path + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // A certificate of this name and its key: <name>.pem, <name>.key.
  void Certificate(const std::string& name, const std::string& more = "-days 2") const {
    const std::string command = fmt::format(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {0}/{1}.key "
        "-out {0}/{1}.pem {2} -subj /CN={1} >/dev/null 2>&1",
        path, name, more);
    REQUIRE(std::system(command.c_str()) == 0);
  }
  const std::string path = [] {
    const std::string made = "/tmp/huatuo-access-test-" + Hex(RandomId());
    std::filesystem::create_directory(made);
    return made;
  }();
};

double Sum(prometheus::Registry& registry, const std::string& name, const std::string& label = "") {
  double sum = 0;
  for (const auto& family : registry.Collect()) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) {
      bool wanted = label.empty();
      for (const auto& one : metric.label) wanted = wanted || one.value == label;
      if (wanted) sum += metric.counter.value;
    }
  }
  return sum;
}

bool Becomes(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

TEST_CASE("reload: a new file is used, a bad one changes nothing and is counted") {
  const Folder folder;
  const std::string file = folder.Write("value", "one");
  prometheus::Registry registry;
  Reloads reloads(registry, std::chrono::milliseconds(1));
  std::atomic<int> loads = 0;
  const auto load = [&]() -> absl::StatusOr<std::string> {
    ++loads;
    absl::StatusOr<std::string> text = ReadWholeFile(file);
    if (text.ok() && text->starts_with("bad")) return InvalidArgument("bad");
    return text;
  };
  const auto live = Live<std::string>::Start(reloads, "value", {file}, load);
  REQUIRE(live.ok());
  CHECK(*(*live)->Get() == "one");
  const auto before = (*live)->Get();
  folder.Write("next", "two, and longer");
  std::filesystem::rename(folder.path + "/next", file);
  CHECK(Becomes([&] { return *(*live)->Get() == "two, and longer"; }));
  CHECK(*before == "one");
  CHECK(Becomes([&] { return Sum(registry, "huatuo_apiserver_reloads_total", "used") == 1; }));
  folder.Write("next", "bad");
  std::filesystem::rename(folder.path + "/next", file);
  CHECK(Becomes([&] { return Sum(registry, "huatuo_apiserver_reloads_total", "refused") == 1; }));
  CHECK(*(*live)->Get() == "two, and longer");
  // A file that is gone is a change too, and is told once.
  std::filesystem::remove(file);
  CHECK(Becomes([&] { return Sum(registry, "huatuo_apiserver_reloads_total", "refused") == 2; }));
  CHECK(*(*live)->Get() == "two, and longer");
  const int loaded = loads;
  folder.Write("value", "three");
  CHECK(Becomes([&] { return *(*live)->Get() == "three"; }));
  CHECK(loads <= loaded + 2);
}

TEST_CASE("reload: a first file that is bad is an error") {
  prometheus::Registry registry;
  Reloads reloads(registry);
  const auto live = Live<std::string>::Start(reloads, "value", {"/nonexistent"},
                                             [] { return ReadWholeFile("/nonexistent"); });
  CHECK(live.status().ToString() == "NOT_FOUND: /nonexistent: No such file or directory");
}

TEST_CASE("reload: a link that leads elsewhere is a change, as a mounted secret makes it") {
  const Folder folder;
  std::filesystem::create_directory(folder.path + "/1");
  std::filesystem::create_directory(folder.path + "/2");
  folder.Write("1/value", "a");
  folder.Write("2/value", "a");
  std::filesystem::create_symlink("1", folder.path + "/data");
  const std::string file = folder.path + "/data/value";
  const std::string mark = Reloads::Mark({file});
  CHECK(Reloads::Mark({file}) == mark);
  std::filesystem::create_symlink("2", folder.path + "/next");
  std::filesystem::rename(folder.path + "/next", folder.path + "/data");
  CHECK(Reloads::Mark({file}) != mark);
  CHECK(Reloads::Mark({"", "/nonexistent"}) == "none;none;");
}

TEST_CASE("a file that is too large is refused") {
  const Folder folder;
  const std::string file = folder.Write("large", std::string((1 << 20) + 1, 'x'));
  CHECK(ReadWholeFile(file).status().message() == file + ": larger than 1048576 bytes");
  CHECK(ReadWholeFile(folder.Write("full", std::string(1 << 20, 'x')))->size() == 1 << 20);
}

TEST_CASE("[host] certificates: what cannot be used is named") {
  if (std::system("command -v openssl >/dev/null") != 0) {
    WARN("skipped: openssl is not installed");
    return;
  }
  const Folder folder;
  folder.Certificate("a");
  folder.Certificate("b");
  const std::string a = folder.path + "/a.pem";
  const std::string key = folder.path + "/a.key";
  const auto refusal = [](const CertificatePaths& paths) {
    return std::string(LoadCertificates(paths).status().message());
  };
  CHECK(refusal({a, key, ""}) == "");
  CHECK(refusal({a, key, folder.path + "/b.pem"}) == "");
  CHECK(LoadCertificates({a, key, folder.path + "/b.pem"})->client_ca == folder.Read("b.pem"));
  const std::string chain = folder.Write("chain", folder.Read("a.pem") + folder.Read("b.pem"));
  CHECK(refusal({chain, key, ""}) == "");
  CHECK(refusal({a, "", ""}) == "tls: certificate_file and key_file are needed both");
  CHECK(refusal({"", "", a}) == "tls: certificate_file and key_file are needed both");
  CHECK(refusal({"/none", key, ""}) == "/none: No such file or directory");
  CHECK(refusal({key, key, ""}) == key + ": no certificate in PEM");
  CHECK(refusal({a, a, ""}) == a + ": no private key in PEM without password");
  CHECK(refusal({folder.path + "/b.pem", key, ""}) ==
        key + ": not the key of " + folder.path + "/b.pem");
  CHECK(refusal({a, key, key}) == key + ": no certificate in PEM");
  const std::string text = folder.Read("a.pem");
  const std::string half = folder.Write("half", text.substr(0, text.size() / 2));
  CHECK(refusal({half, key, ""}) == half + ": no certificate in PEM");
  const std::string damaged = folder.Write(
      "damaged", text + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  CHECK(refusal({damaged, key, ""}) == damaged + ": a damaged certificate in PEM");
}

TEST_CASE("the audit log: a line for each, in a file for its owner alone") {
  const Folder folder;
  const std::string path = folder.path + "/audit";
  ManualClock clock;
  clock.wall_ns = 1'795'000'000'000'000'000;
  prometheus::Registry registry;
  AuditLog log(path, clock, registry);
  log.Write({.caller = {"alice", Role::kOperator},
             .address = "10.0.0.7",
             .method = "POST",
             .route = "/api/v1/tasks",
             .target = "/api/v1/tasks",
             .status = 201,
             .created = "/api/v1/tasks/1"});
  log.Write({.caller = {},
             .address = "::1",
             .method = "PUT",
             .route = "/api/v1/configuration",
             .target = "/api/v1/\"\n",
             .status = 401,
             .created = {}});
  CHECK(folder.Read("audit") ==
        R"({"time":"2026-11-18T11:06:40.000000000Z","token":"alice","role":"operator",)"
        R"("address":"10.0.0.7","method":"POST","route":"/api/v1/tasks","target":"/api/v1/tasks",)"
        R"("status":201,"created":"/api/v1/tasks/1"})"
        "\n"
        R"({"time":"2026-11-18T11:06:40.000000000Z","token":null,"role":"nobody",)"
        R"("address":"::1","method":"PUT","route":"/api/v1/configuration",)"
        R"("target":"/api/v1/\"\n","status":401})"
        "\n");
  struct stat file = {};
  REQUIRE(stat(path.c_str(), &file) == 0);
  CHECK((file.st_mode & 0777) == 0600);
  // Moved away, it begins anew.
  std::filesystem::rename(path, path + ".1");
  log.Write({.caller = {"bob", Role::kAdmin}, .status = 200, .created = {}});
  CHECK(folder.Read("audit").find("bob") != std::string::npos);
  CHECK(Sum(registry, "huatuo_apiserver_audit_records_total") == 3);
  CHECK(Sum(registry, "huatuo_apiserver_audit_lost_total") == 0);
}

TEST_CASE("the audit log: what cannot be written is counted") {
  ManualClock clock;
  prometheus::Registry registry;
  AuditLog log("/nonexistent/audit", clock, registry);
  log.Write({});
  CHECK(Sum(registry, "huatuo_apiserver_audit_lost_total") == 1);
}

}  // namespace
}  // namespace huatuo
