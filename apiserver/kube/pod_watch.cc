#include "apiserver/kube/pod_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int kGone = 410;
constexpr int kMaxRefusals = 5;
constexpr size_t kMaxErrorBytes = 64 << 10;
constexpr std::chrono::seconds kLongestAsked{300};
// A watch that ends sooner without an event is one that the server cannot keep up.
constexpr int64_t kShortestWatchNs = 1'000'000'000;

std::string Encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// The codes have one meaning each here; CauseOf names them.
absl::Status FromHttp(int status, std::string_view message) {
  const std::string text = fmt::format("{}: {}", status, message);
  const auto code = status == 401     ? absl::StatusCode::kUnauthenticated
                    : status == 403   ? absl::StatusCode::kPermissionDenied
                    : status == kGone ? absl::StatusCode::kOutOfRange
                    : status == 429   ? absl::StatusCode::kAborted
                                      : absl::StatusCode::kInternal;
  return {code, {text.data(), text.size()}};
}

std::string_view CauseOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "connection";
    case absl::StatusCode::kDeadlineExceeded:
      return "timeout";
    case absl::StatusCode::kFailedPrecondition:
      return "trust";
    case absl::StatusCode::kUnauthenticated:
      return "unauthorized";
    case absl::StatusCode::kPermissionDenied:
      return "forbidden";
    case absl::StatusCode::kOutOfRange:
      return "gone";
    case absl::StatusCode::kAborted:
      return "throttled";
    case absl::StatusCode::kDataLoss:
      return "malformed";
    case absl::StatusCode::kResourceExhausted:
      return "too_large";
    case absl::StatusCode::kInternal:
      return "server";
    default:
      return "credentials";
  }
}

// A list begins anew after these: what is known may not be what the server means.
bool NeedsList(const absl::Status& status) {
  return status.code() == absl::StatusCode::kOutOfRange ||
         status.code() == absl::StatusCode::kDataLoss ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

}  // namespace

PodWatch::PodWatch(std::unique_ptr<Transport> transport, PodIndex& index, KubeMetrics& metrics,
                   const Clock& clock, PodWatchOptions options)
    : transport_(std::move(transport)),
      index_(index),
      metrics_(metrics),
      clock_(clock),
      options_(std::move(options)),
      backoff_(options_.backoff),
      page_pods_(options_.page_pods),
      thread_([this] { Run(); }) {}

PodWatch::~PodWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  transport_->Stop();
  thread_.join();
}

bool PodWatch::AwaitList(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, patience, [this] { return listed_; });
}

void PodWatch::Run() {
  for (;;) {
    const absl::Status status = version_.empty() ? List() : Watch();
    metrics_.Index(index_.counts());
    if (absl::IsCancelled(status)) return;
    if (status.ok()) {
      if (!Pause({})) return;
      continue;
    }
    Failed(status);
    const std::chrono::milliseconds asked = std::exchange(asked_, {});
    if (!Pause(std::max(asked, backoff_.Next()))) return;
  }
}

// False when it is to stop.
bool PodWatch::Pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [this] { return stop_; });
}

void PodWatch::Failed(const absl::Status& status) {
  metrics_.Error(CauseOf(status));
  // A version that is ahead of the server's, as after a restored backup, is refused for ever.
  const bool stuck = absl::IsInternal(status) && ++refusals_ >= kMaxRefusals;
  if (stuck || NeedsList(status)) {
    version_.clear();
    cause_ = stuck || absl::IsOutOfRange(status) ? "gone" : "malformed";
  }
  std::string message = Message(status);
  // Some of it is the server's.
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return c < ' '; }, ' ');
  if (message == failure_) return;
  LogWarning("kubernetes: " + message);
  failure_ = std::move(message);
}

void PodWatch::Well(const std::string& what) {
  backoff_.Reset();
  refusals_ = 0;
  if (!failure_.empty()) LogInfo("kubernetes: " + what);
  failure_.clear();
}

absl::Status PodWatch::Open(const std::string& target) {
  ASSIGN_OR_RETURN(const Transport::Head head, transport_->Get(target));
  if (head.status == 200) return absl::OkStatus();
  asked_ = std::min(head.retry_after, kLongestAsked);
  const absl::StatusOr<std::string> body = Body(kMaxErrorBytes);
  return FromHttp(head.status, body.ok() ? StatusMessage(*body) : "");
}

absl::StatusOr<std::string> PodWatch::Body(size_t max_bytes) {
  std::string body;
  for (;;) {
    ASSIGN_OR_RETURN(const std::string_view piece, transport_->Read(options_.silence));
    if (piece.empty()) return body;
    if (body.size() + piece.size() > max_bytes) {
      return ResourceExhausted(fmt::format("an answer of more than {} bytes", max_bytes));
    }
    body += piece;
  }
}

absl::StatusOr<PodPage> PodWatch::Page(const std::string& next) {
  std::string target = fmt::format("/api/v1/pods?limit={}", page_pods_);
  if (!next.empty()) target += "&continue=" + Encode(next);
  RETURN_IF_ERROR(Open(target));
  const absl::StatusOr<std::string> body = Body(options_.max_page_bytes);
  if (absl::IsResourceExhausted(body.status())) page_pods_ = std::max<size_t>(page_pods_ / 2, 1);
  RETURN_IF_ERROR(body.status());
  return ParsePage(*body, options_.annotations);
}

absl::Status PodWatch::List() {
  metrics_.Listed(cause_);
  index_.BeginList();
  std::string next;
  std::string version;
  do {
    absl::StatusOr<PodPage> page = Page(next);
    RETURN_IF_ERROR(Annotate(page.status(), "list pods"));
    for (Pod& pod : page->pods) index_.Set(std::move(pod));
    for (uint64_t i = 0; i < page->malformed_pods; ++i) metrics_.MalformedPod();
    metrics_.TextsLeftOut(page->texts_left_out);
    next = std::move(page->next);
    version = std::move(page->resource_version);
  } while (!next.empty());
  index_.EndList();
  version_ = std::move(version);
  metrics_.Event("set", clock_.WallNs());
  Well(fmt::format("{} pods", index_.counts().pods));
  const std::lock_guard lock(mutex_);
  listed_ = true;
  wake_.notify_all();
  return absl::OkStatus();
}

absl::Status PodWatch::Watch() {
  const int64_t begun_ns = clock_.BootNs();
  const auto half = std::max<int64_t>(options_.watch_time.count() / 2, 1);
  const int64_t seconds = options_.watch_time.count() + begun_ns / 1000 % half;
  absl::Status status =
      Open(fmt::format("/api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion={}&"
                       "timeoutSeconds={}",
                       Encode(version_), seconds));
  if (status.ok()) {
    metrics_.Watching(true);
    status = ReadLines();
    metrics_.Watching(false);
  }
  return Annotate(status, "watch pods");
}

// OK when the server has ended the watch, which it does now and then.
absl::Status PodWatch::ReadLines() {
  const auto patience = options_.watch_time * 3 / 2 + options_.silence;
  const int64_t begun_ns = clock_.BootNs();
  std::string line;
  bool heard = false;
  for (;;) {
    ASSIGN_OR_RETURN(std::string_view piece, transport_->Read(patience));
    if (piece.empty()) {
      // What is left is a part of a line, which the next watch will have in full.
      const bool useful = heard || clock_.BootNs() - begun_ns >= kShortestWatchNs;
      return useful ? absl::OkStatus() : Unavailable("ended at once");
    }
    for (size_t end = 0; (end = piece.find('\n')) != std::string_view::npos;) {
      line += piece.substr(0, end);
      piece.remove_prefix(end + 1);
      RETURN_IF_ERROR(Apply(line));
      line.clear();
      heard = true;
    }
    line += piece;
    if (line.size() > options_.max_line_bytes) {
      return ResourceExhausted(
          fmt::format("an event of more than {} bytes", options_.max_line_bytes));
    }
  }
}

absl::Status PodWatch::Apply(std::string_view line) {
  if (line.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(PodChange change, ParseChange(line, options_.annotations));
  if (change.kind == PodChange::Kind::kError) return FromHttp(change.code, change.message);
  RETURN_IF_ERROR(Take(std::move(change)));
  Well("the watch goes on");
  metrics_.Index(index_.counts());
  return absl::OkStatus();
}

absl::Status PodWatch::Take(PodChange change) {
  using Kind = PodChange::Kind;
  version_ = std::move(change.resource_version);
  metrics_.TextsLeftOut(change.texts_left_out);
  const std::string_view kind = change.kind == Kind::kSet       ? "set"
                                : change.kind == Kind::kDeleted ? "deleted"
                                                                : "bookmark";
  metrics_.Event(kind, clock_.WallNs());
  if (change.kind == Kind::kBookmark) return absl::OkStatus();
  if (!change.pod) {
    metrics_.MalformedPod();
    return absl::OkStatus();
  }
  const std::string uid = change.pod->uid;
  index_.Set(*std::move(change.pod));
  // With the last that is known of it.
  if (change.kind == Kind::kDeleted) index_.Delete(uid);
  return absl::OkStatus();
}

}  // namespace huatuo
