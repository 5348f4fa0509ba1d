#include "apiserver/kube/pod_watch.h"

#include <fmt/format.h>
#include <prometheus/registry.h>

#include <catch2/catch.hpp>
#include <deque>
#include <functional>

#include "common/status.h"
#include "test/apiserver/pods/text.h"

namespace huatuo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Answer {
  int status = 200;
  std::vector<std::string> pieces = {};
  absl::Status end = absl::OkStatus();  // after the pieces
  seconds retry_after{0};
};

// Gives one answer after the other, then lets the caller wait until it is stopped.
class Script {
 public:
  explicit Script(std::deque<Answer> answers) : answers_(std::move(answers)) {}

  absl::StatusOr<Answer> Next(const std::string& target) {
    std::unique_lock lock(mutex_);
    asked_ += target.substr(0, target.find("&timeoutSeconds=")) + "\n";
    changed_.notify_all();
    if (answers_.empty()) {
      done_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return stopped_; });
      return absl::CancelledError("stopped");
    }
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    if (answer.status == 0) return answer.end;
    return answer;
  }
  void Stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  // What was asked for, once all answers have been given and understood.
  std::string Asked() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, seconds(20), [this] { return done_; }));
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Answer> answers_;
  std::string asked_;
  bool done_ = false;
  bool stopped_ = false;
};

class ScriptTransport : public Transport {
 public:
  explicit ScriptTransport(Script& script) : script_(script) {}
  absl::StatusOr<Head> Get(const std::string& target) override {
    auto answer = script_.Next(target);
    if (!answer.ok()) return answer.status();
    answer_ = *answer;
    next_ = 0;
    return Head{.status = answer_.status, .retry_after = answer_.retry_after};
  }
  absl::StatusOr<std::string_view> Read(milliseconds) override {
    if (next_ < answer_.pieces.size()) return answer_.pieces[next_++];
    if (!answer_.end.ok()) return answer_.end;
    return std::string_view();
  }
  void Stop() override { script_.Stop(); }

 private:
  Script& script_;
  Answer answer_;
  size_t next_ = 0;
};

std::string PodJson(const std::string& name, int version) {
  return fmt::format(
      R"({{"metadata":{{"uid":"u-{0}","name":"{0}","namespace":"shop","resourceVersion":"{1}"}},)"
      R"("spec":{{"containers":[{{"name":"main"}}]}},)"
      R"("status":{{"containerStatuses":[{{"name":"main","containerID":"cri://c-{0}"}}]}}}})",
      name, version);
}

std::string ListJson(int version, const std::string& next, const std::vector<std::string>& pods) {
  return fmt::format(
      R"({{"kind":"PodList","metadata":{{"resourceVersion":"{}","continue":"{}"}},"items":[{}]}})",
      version, next, fmt::join(pods, ","));
}

std::string Line(const std::string& type, const std::string& object) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
}

std::string Bookmark(int version) {
  return Line("BOOKMARK",
              fmt::format(R"({{"kind":"Pod","metadata":{{"resourceVersion":"{}"}}}})", version));
}

struct Fixture {
  explicit Fixture(std::deque<Answer> answers, size_t max_line = 4096)
      : script(std::move(answers)),
        watch(std::make_unique<ScriptTransport>(script), index, metrics, Clock::Real(),
              {.annotations = {},
               .page_pods = 2,
               .max_page_bytes = 4096,
               .max_line_bytes = max_line,
               .backoff = {.first = milliseconds(1), .longest = milliseconds(4)}}) {}

  std::string Find(const std::string& id) const { return Show(index.Find(id, "")); }
  double Own(const std::string& name, const std::string& label = "") const {
    double sum = 0;
    for (const auto& family : registry.Collect()) {
      if (family.name != "huatuo_apiserver_kube_" + name) continue;
      for (const auto& metric : family.metric) {
        if (!label.empty() && metric.label.at(0).value != label) continue;
        sum += metric.counter.value + metric.gauge.value;
      }
    }
    return sum;
  }

  prometheus::Registry registry;
  KubeMetrics metrics{registry};
  PodIndex index{Clock::Real()};
  Script script;
  PodWatch watch;
};

constexpr std::string_view kWatch =
    "/api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion=";

TEST_CASE("a list in chunks, then a watch from its version, then one from the newest") {
  Fixture f({{.pieces = {ListJson(10, "a+/=", {PodJson("a", 1), PodJson("b", 2)})}},
             {.pieces = {ListJson(10, "", {PodJson("c", 3)})}},
             {.pieces = {Line("ADDED", PodJson("d", 11)) + Line("MODIFIED", PodJson("a", 12)),
                         Line("DELETED", PodJson("b", 13)), Bookmark(20)}}});
  CHECK(f.script.Asked() == fmt::format("/api/v1/pods?limit=2\n"
                                        "/api/v1/pods?limit=2&continue=a%2B%2F%3D\n"
                                        "{0}10\n{0}20\n",
                                        kWatch));
  CHECK(f.Find("c-a") == "shop/a main");
  CHECK(f.Find("c-b") == "shop/b main");
  CHECK(f.Find("c-d") == "shop/d main");
  CHECK(f.Own("pods") == 3);
  CHECK(f.Own("tombstones") == 2);
  CHECK(f.Own("lists_total", "start") == 1);
  CHECK(f.Own("events_total", "bookmark") == 1);
  CHECK(f.Own("errors_total") == 0);
}

TEST_CASE("a watch that is cut in the middle of a line goes on without a list") {
  const std::string line = Line("ADDED", PodJson("a", 11));
  Fixture f({{.pieces = {ListJson(10, "", {})}},
             {.pieces = {line, Line("ADDED", PodJson("b", 12)).substr(0, 30)},
              .end = Unavailable("read: connection reset")},
             {.pieces = {line.substr(0, 10), line.substr(10), Line("ADDED", PodJson("b", 12))}}});
  CHECK(f.script.Asked() == fmt::format("/api/v1/pods?limit=2\n{0}10\n{0}11\n{0}12\n", kWatch));
  CHECK(f.Find("c-b") == "shop/b main");
  CHECK(f.Own("errors_total", "connection") == 1);
  CHECK(f.Own("lists_total") == 1);
}

TEST_CASE("410 leads to a list, as status and as event") {
  const bool as_status = GENERATE(true, false);
  const std::string gone =
      R"({"kind":"Status","status":"Failure","message":"too old resource version","code":410})";
  Answer refusal{.pieces = {Line("ERROR", gone)}};
  if (as_status) refusal = {.status = 410, .pieces = {gone}};
  Fixture f({{.pieces = {ListJson(10, "", {PodJson("a", 1), PodJson("b", 2)})}},
             refusal,
             {.pieces = {ListJson(30, "", {PodJson("b", 2)})}}});
  CHECK(f.script.Asked() ==
        fmt::format("/api/v1/pods?limit=2\n{0}10\n/api/v1/pods?limit=2\n{0}30\n", kWatch));
  CHECK(f.Own("pods") == 1);
  CHECK(f.Find("c-a") == "shop/a main");
  CHECK(f.Own("errors_total", "gone") == 1);
  CHECK(f.Own("lists_total", "gone") == 1);
}

TEST_CASE("410 in the middle of a list begins it anew, and nothing is deleted") {
  Fixture f({{.pieces = {ListJson(10, "next", {PodJson("a", 1)})}},
             {.status = 410, .pieces = {"{}"}},
             {.pieces = {ListJson(12, "", {PodJson("b", 1)})}}});
  CHECK(f.script.Asked() == fmt::format("/api/v1/pods?limit=2\n/api/v1/pods?limit=2&continue=next\n"
                                        "/api/v1/pods?limit=2\n{0}12\n",
                                        kWatch));
  CHECK(f.Own("pods") == 1);
}

TEST_CASE("what cannot be understood is counted and leads to a list") {
  const std::string text =
      GENERATE(as<std::string>(), "{\"type\":\"ADDED\",\"object\":{\n", "[1]\n",
               "{\"type\":\"NEW\"}\n", "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}\n",
               "\xff\xfe\n", std::string(100, '[') + "\n");
  CAPTURE(text);
  Fixture f({{.pieces = {ListJson(10, "", {PodJson("a", 1)})}},
             {.pieces = {text}},
             {.pieces = {"{\"items\":7}"}},
             {.pieces = {ListJson(30, "", {PodJson("a", 1)})}}});
  CHECK(f.script.Asked() == fmt::format("/api/v1/pods?limit=2\n{0}10\n/api/v1/pods?limit=2\n"
                                        "/api/v1/pods?limit=2\n{0}30\n",
                                        kWatch));
  CHECK(f.Own("errors_total", "malformed") == 2);
  CHECK(f.Own("lists_total", "malformed") == 2);
  CHECK(f.Find("c-a") == "shop/a main");
}

TEST_CASE("a version that is refused again and again is given up") {
  std::deque<Answer> answers = {{.pieces = {ListJson(10, "", {PodJson("a", 1)})}}};
  for (int i = 0; i < 5; ++i) {
    answers.push_back({.status = 504, .pieces = {"Too large\nresource version"}});
  }
  answers.push_back({.pieces = {ListJson(3, "", {})}});
  Fixture f(std::move(answers));
  CHECK(f.script.Asked() == fmt::format("/api/v1/pods?limit=2\n{0}10\n{0}10\n{0}10\n{0}10\n{0}10\n"
                                        "/api/v1/pods?limit=2\n{0}3\n",
                                        kWatch));
  CHECK(f.Own("errors_total", "server") == 5);
  CHECK(f.Own("pods") == 0);
}

TEST_CASE("a pod that is none is counted, the others are taken") {
  Fixture f({{.pieces = {ListJson(10, "", {"{\"metadata\":{}}", PodJson("a", 1), "3"})}},
             {.pieces = {Line("ADDED", "{\"metadata\":{\"resourceVersion\":\"11\"}}"),
                         Line("ADDED", PodJson("b", 12))}}});
  CHECK(f.script.Asked() == fmt::format("/api/v1/pods?limit=2\n{0}10\n{0}12\n", kWatch));
  CHECK(f.Own("malformed_pods_total") == 3);
  CHECK(f.Own("pods") == 2);
}

TEST_CASE("answers and lines that are too large are given up") {
  Fixture f({{.pieces = {std::string(3000, ' '), std::string(3000, ' ')}},
             {.pieces = {ListJson(10, "", {})}},
             {.pieces = {std::string(200, ' '), std::string(200, ' ')}},
             {.pieces = {ListJson(12, "", {})}}},
            300);
  CHECK(f.script.Asked() == fmt::format("/api/v1/pods?limit=2\n/api/v1/pods?limit=1\n{0}10\n"
                                        "/api/v1/pods?limit=1\n{0}12\n",
                                        kWatch));
  CHECK(f.Own("errors_total", "too_large") == 2);
}

TEST_CASE("refusals are tried again, each counted by its cause") {
  Fixture f({{.status = 401, .pieces = {R"({"message":"Unauthorized"})"}},
             {.status = 403, .pieces = {R"({"message":"pods is forbidden"})"}},
             {.status = 429, .pieces = {"busy"}},
             {.status = 503, .pieces = {""}},
             {.status = 0, .end = absl::DeadlineExceededError("connect")},
             {.status = 0, .end = FailedPrecondition("tls")},
             {.status = 0, .end = InvalidArgument("token: empty")},
             {.pieces = {ListJson(10, "", {PodJson("a", 1)})}}});
  CHECK(f.watch.AwaitList(seconds(20)));
  f.script.Asked();
  for (const char* cause :
       {"unauthorized", "forbidden", "throttled", "server", "timeout", "trust", "credentials"}) {
    CAPTURE(cause);
    CHECK(f.Own("errors_total", cause) == 1);
  }
  CHECK(f.Own("pods") == 1);
}

TEST_CASE("a server that wants to be left alone is, until the watch is stopped") {
  const auto begin = std::chrono::steady_clock::now();
  {
    Fixture f({{.status = 429, .pieces = {"later"}, .retry_after = seconds(200)},
               {.pieces = {ListJson(10, "", {})}}});
    const auto counted = [&] { return f.Own("errors_total", "throttled") == 1; };
    while (!counted() && std::chrono::steady_clock::now() - begin < seconds(20)) {
      std::this_thread::yield();
    }
    CHECK(counted());
    CHECK(!f.watch.AwaitList(milliseconds(1)));
    CHECK(f.Own("lists_total") == 1);
  }
  CHECK(std::chrono::steady_clock::now() - begin < seconds(20));
}

TEST_CASE("pauses grow to a limit, with jitter, and begin anew") {
  Backoff backoff({.first = milliseconds(100), .longest = milliseconds(400)}, 7);
  std::vector<int64_t> middle = {100, 200, 400, 400};
  for (const int64_t ms : middle) {
    const auto pause = backoff.Next().count();
    CHECK(pause >= ms / 2);
    CHECK(pause <= ms * 3 / 2);
  }
  Backoff other({.first = milliseconds(1000), .longest = milliseconds(400'000)}, 8);
  Backoff third({.first = milliseconds(1000), .longest = milliseconds(400'000)}, 9);
  CHECK(other.Next() != third.Next());
  backoff.Reset();
  CHECK(backoff.Next() <= milliseconds(150));
}

}  // namespace
}  // namespace huatuo
