#include <stdlib.h>
#include <zlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "common/status.h"
#include "test/apiserver/query/bed.h"

namespace huatuo {
namespace {

namespace fs = std::filesystem;

// A folder that looks like a built console, with a secret beside it and a link to the secret.
class BuiltConsole {
 public:
  BuiltConsole() {
    char name[] = "/tmp/console_test.XXXXXX";
    top_ = mkdtemp(name);
    fs::create_directories(fs::path(top_) / "console/assets");
    Write("console/index.html", "<!doctype html><title>console</title>");
    Write("console/favicon.svg", "<svg/>");
    Write("console/assets/main-1a2b3c.js", std::string(5000, 'x'));
    Write("secret.txt", "secret");
    fs::create_symlink(fs::path(top_) / "secret.txt", fs::path(top_) / "console/link.txt");
  }
  ~BuiltConsole() {
    std::error_code ignored;
    fs::remove_all(top_, ignored);
  }
  BuiltConsole(const BuiltConsole&) = delete;
  BuiltConsole& operator=(const BuiltConsole&) = delete;

  std::string path() const { return top_ + "/console"; }
  Console Open() const {
    absl::StatusOr<Console> console = Console::Open(path());
    REQUIRE(console.ok());
    return *std::move(console);
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(fs::path(top_) / name, std::ios::binary) << text;
  }

 private:
  std::string top_;
};

std::string Inflate(const std::string& gzip) {
  std::string text(1 << 16, '\0');
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));
  stream.avail_in = static_cast<uInt>(gzip.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

constexpr const char* kHtml = "Accept: text/html,*/*;q=0.8\r\n";
constexpr const char* kIndex = "200 <!doctype html><title>console</title>";

TEST_CASE("console: every view is the index, for a browser") {
  const BuiltConsole built;
  Bed bed({}, built.Open());
  CHECK(bed.Text("/") == kIndex);
  CHECK(bed.Text("/?from=-1h") == kIndex);
  CHECK(Bed::TextOf(bed.Get("/events", kHtml)) == kIndex);
  CHECK(Bed::TextOf(bed.Get("/nodes/a%2Fb?x=1", kHtml)) == kIndex);
  CHECK(bed.Get("/events", kHtml).headers.at("content-type") == "text/html; charset=utf-8");
  CHECK(bed.Get("/events").status == 404);
  CHECK(bed.Get("/api/v1/nothing", kHtml).status == 404);
  CHECK(bed.Get("/api/v2", kHtml).status == 404);
  CHECK(bed.Ask("POST", "/events", kHtml, "{}").status == 404);
  CHECK(bed.Text("/healthz").starts_with("200 {"));
}

TEST_CASE("console: policy and caching") {
  const BuiltConsole built;
  Bed bed({}, built.Open());
  const Answer index = bed.Get("/");
  CHECK(index.headers.at("content-security-policy") ==
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  CHECK(index.headers.at("referrer-policy") == "no-referrer");
  CHECK(index.headers.at("x-content-type-options") == "nosniff");
  CHECK(index.headers.at("cache-control") == "no-cache");
  const std::string etag = index.headers.at("etag");
  const Answer known = bed.Get("/", "If-None-Match: " + etag + "\r\n");
  CHECK(Bed::TextOf(known) == "304 ");
  CHECK(known.headers.at("etag") == etag);
  CHECK(known.headers.count("content-length") == 0);
  CHECK(bed.Get("/", "If-None-Match: \"other\"\r\n").status == 200);
  CHECK(bed.Get("/assets/main-1a2b3c.js").headers.at("cache-control") ==
        "public, max-age=31536000, immutable");
}

TEST_CASE("console: files come compressed to those who can read it") {
  const BuiltConsole built;
  Bed bed({}, built.Open());
  const std::string path = "/assets/main-1a2b3c.js";
  CHECK(bed.Text(path) == "200 " + std::string(5000, 'x'));
  const Answer gzip = bed.Get(path, "Accept-Encoding: gzip\r\n");
  CHECK(gzip.headers.at("content-encoding") == "gzip");
  CHECK(gzip.headers.at("content-type") == "text/javascript; charset=utf-8");
  CHECK(Inflate(gzip.body) == std::string(5000, 'x'));
  CHECK(bed.Get(path, "Accept-Encoding: br\r\n").headers.count("content-encoding") == 0);
}

TEST_CASE("console: nothing outside of its folder") {
  const BuiltConsole built;
  Bed bed({}, built.Open());
  for (const char* path :
       {"/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
        "//secret.txt", "/link.txt", "/assets", "/assets/"}) {
    INFO(path);
    CHECK(bed.Get(path).status == 404);
  }
}

TEST_CASE("console: its files need no token, its data does") {
  const BuiltConsole built;
  ApiOptions options;
  options.authorizer = TokensOf({{"see", Role::kViewer}});
  Bed bed(options, built.Open());
  CHECK(bed.Get("/events", kHtml).status == 200);
  CHECK(bed.Get("/favicon.svg").status == 200);
  CHECK(bed.Get("/api/v1/events").status == 401);
}

TEST_CASE("console: folders that are none") {
  const auto open = [](const std::string& folder) {
    return Message(Console::Open(folder).status());
  };
  CHECK(open("/nonexistent") == "read /nonexistent: No such file or directory");
  const BuiltConsole built;
  CHECK(open(built.path() + "/assets") ==
        "read " + built.path() + "/assets: there is no index.html");
}

}  // namespace
}  // namespace huatuo
