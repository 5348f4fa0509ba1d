#include "collector/ship/courier.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "common/status.h"
#include "common/status_macros.h"
#include "common/thread_name.h"

namespace huatuo {
namespace {

// A stream that lived so long, or that had something acked, was a good one.
constexpr std::chrono::seconds kHealthy(5);
// After a refusal the same will be refused again: the first wait is already long.
constexpr int kRefusedAttempt = 5;
constexpr std::chrono::milliseconds kGoodbye(500);
// Where there is another apiserver, one that is silent is not waited for as long.
constexpr std::chrono::milliseconds kImpatient(4'000);
constexpr std::chrono::milliseconds kPoll(50);

// What every apiserver would refuse as well.
bool Refused(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsAlreadyExists(status);
}

}  // namespace

// Where the library's threads, the outbox and others meet the courier's thread.
class Courier::Inbox : public LinkListener {
 public:
  struct News {
    std::optional<std::string> message;
    bool written = false;
    bool ended = false;
  };

  void OnMessage(std::string message) override {
    Change([&] { news_.message = std::move(message); });
  }
  void OnWritten() override {
    Change([&] { news_.written = true; });
  }
  void OnEnded() override {
    Change([&] { news_.ended = true; });
  }
  void Nudge() {
    Change([] {});
  }

  News Wait(Steady::time_point until) {
    std::unique_lock lock(mutex_);
    auto nudged = [this] { return nudged_; };
    // wait_until overflows at time_point::max.
    changed_.wait_until(lock, std::min(until, Steady::now() + std::chrono::hours(1)), nudged);
    nudged_ = false;
    return std::exchange(news_, {});
  }
  void Clear() {
    std::lock_guard lock(mutex_);
    news_ = {};
  }

 private:
  template <typename F>
  void Change(F change) {
    {
      std::lock_guard lock(mutex_);
      change();
      nudged_ = true;
    }
    changed_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool nudged_ = false;
  News news_;
};

Courier::Courier(CourierOptions options, Outbox& outbox, CourierCounters& counters, Begin begin)
    : options_(std::move(options)),
      outbox_(outbox),
      counters_(counters),
      begin_(std::move(begin)),
      inbox_(std::make_shared<Inbox>()),
      random_(std::random_device{}()) {}

Courier::~Courier() { Stop(); }

std::function<void()> Courier::Nudge() const {
  return [inbox = inbox_] { inbox->Nudge(); };
}

void Courier::Start() {
  outbox_.OnPush(Nudge());
  thread_ = std::thread([this] { Run(); });
}

void Courier::Stop() {
  if (!thread_.joinable()) {
    return;
  }
  stop_at_ = (Steady::now() + options_.drain).time_since_epoch().count();
  stopping_ = true;
  inbox_->Nudge();
  thread_.join();
  outbox_.OnPush({});
}

bool Courier::StopIsDue(const Exchange& exchange) const {
  const bool told = outbox_.Drained() && !exchange.Owes();
  return stopping_ && (told || Steady::now().time_since_epoch().count() >= stop_at_);
}

void Courier::Run() {
  NameThread("ship");
  while (AwaitReady()) {
    std::unique_ptr<Exchange> exchange = begin_();
    auto began = Steady::now();
    absl::Status status = RunExchange(*exchange);
    counters_.connected = false;
    if (stopping_ || (status.ok() && outbox_.Finished())) {
      continue;
    }
    Report(status);
    BackOff(exchange->acked_any() || (exchange->welcomed() && Steady::now() - began > kHealthy),
            status);
  }
}

// False when it is to stop.
bool Courier::AwaitReady() {
  while (!stopping_ && options_.ready && !options_.ready()) {
    inbox_->Wait(Steady::now() + kPoll);
  }
  return !stopping_;
}

LinkOptions Courier::NextLink() const {
  LinkOptions link = options_.link;
  if (options_.targets) {
    link.target = options_.targets->current();
  }
  return link;
}

// Apiservers that there are to choose from.
size_t Courier::Alternatives() const {
  return options_.targets && options_.chooses ? options_.targets->size() : 1;
}

absl::Status Courier::RunExchange(Exchange& exchange) {
  inbox_->Clear();
  ASSIGN_OR_RETURN(std::unique_ptr<Link> link, OpenLink(NextLink(), *inbox_));
  return Serve(exchange, *link);
}

absl::Status Courier::Serve(Exchange& exchange, Link& link) {
  auto handshake_by =
      Steady::now() + (Alternatives() > 1 ? std::min(kImpatient, options_.handshake_timeout)
                                          : options_.handshake_timeout);
  bool writable = true;
  while (true) {
    absl::Status status = Step(exchange, link, &writable);
    if (!status.ok()) {
      // How the server ended the stream says more than that it did.
      absl::Status end = link.Close(std::chrono::milliseconds(0));
      return absl::IsAborted(status) ? end : status;
    }
    if (StopIsDue(exchange) || (exchange.welcomed() && outbox_.Finished())) {
      link.Close(kGoodbye).IgnoreError();
      return absl::OkStatus();
    }
    if (!exchange.welcomed() && (stopping_ || Steady::now() >= handshake_by)) {
      link.Close(std::chrono::milliseconds(0)).IgnoreError();
      return Unavailable("no welcome");
    }
  }
}

// One wait and what it brought. Aborted: the stream has ended.
absl::Status Courier::Step(Exchange& exchange, Link& link, bool* writable) {
  auto now = Steady::now();
  if (*writable) {
    if (std::optional<std::string> message = exchange.Say(now)) {
      *writable = false;
      link.Write(*std::move(message));
    }
  }
  // While it stops or shakes hands, time itself is news.
  auto until =
      std::min(exchange.WakeAt(now),
               stopping_ || !exchange.welcomed() ? now + kPoll : Steady::time_point::max());
  Inbox::News news = inbox_->Wait(until);
  *writable = *writable || news.written;
  if (news.message) {
    RETURN_IF_ERROR(exchange.Hear(*news.message, Steady::now()));
    if (!news.ended) {
      link.ReadNext();
    }
  }
  return news.ended ? absl::AbortedError("ended") : absl::OkStatus();
}

void Courier::Report(const absl::Status& status) {
  ++counters_.ended;
  bool refused = Refused(status);
  counters_.refused += refused ? 1 : 0;
  const std::string target = NextLink().target;
  std::string text =
      fmt::format("{}: {}", target, status.ok() ? "the server ended the stream" : Message(status));
  if (text == std::exchange(last_reports_[target], text)) {
    return;
  }
  spdlog::log(refused ? spdlog::level::err : spdlog::level::warn, "{}{}",
              refused ? "refused by the server: " : "not connected: ", text);
}

void Courier::BackOff(bool healthy, const absl::Status& status) {
  attempt_ = healthy ? 0 : attempt_ + 1;
  const auto others = static_cast<int>(Alternatives());
  if (Refused(status)) {
    attempt_ = std::max(attempt_, kRefusedAttempt * others);
  } else if (others > 1) {
    options_.targets->Next();
  }
  // Waits grow when all of them have been tried.
  const int round = std::clamp(attempt_ / others, 0, 20);
  auto longest = std::min(options_.backoff_max, options_.backoff_min * (int64_t{1} << round));
  std::uniform_int_distribution<int64_t> jitter(0, longest.count());
  auto until = Steady::now() + std::chrono::milliseconds(jitter(random_));
  while (!stopping_ && Steady::now() < until) {
    inbox_->Wait(until);
  }
}

}  // namespace huatuo
