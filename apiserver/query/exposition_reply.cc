#include "apiserver/query/exposition_reply.h"

#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

namespace huatuo {
namespace {

// Large enough that what each piece costs beside its text does not count, small enough that many
// slow readers fit into memory.
constexpr size_t kPieceBytes = 256 << 10;

prometheus::Counter& Counter(prometheus::Registry& registry, const std::string& route,
                             const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(
      {{"route", route}});
}

double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Not thread-safe: the server asks for one piece at a time.
class Pieces {
 public:
  Pieces(ExpositionFormat format, ExpositionStep step, const ExpositionCounts& counts)
      : text_(format), step_(std::move(step)), counts_(counts) {}
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  ~Pieces() {
    if (!finished_) counts_.unfinished.Increment();
  }

  bool Next(std::string& out) {
    const double begin = ThreadSeconds();
    const uint64_t samples = text_.samples();
    bool more = true;
    while (more && text_.size() < kPieceBytes) more = step_(text_);
    const size_t before = out.size();
    if (more) {
      text_.Take(out);
    } else {
      text_.Finish(out);
    }
    counts_.bytes.Increment(static_cast<double>(out.size() - before));
    counts_.samples.Increment(static_cast<double>(text_.samples() - samples));
    counts_.cpu_seconds.Increment(ThreadSeconds() - begin);
    if (!more) Finish();
    return more;
  }

 private:
  void Finish() {
    finished_ = true;
    const auto took = std::chrono::steady_clock::now() - begin_;
    counts_.seconds.Observe(std::chrono::duration<double>(took).count());
  }

  Exposition text_;
  const ExpositionStep step_;
  const ExpositionCounts counts_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  bool finished_ = false;
};

}  // namespace

ExpositionCounts::ExpositionCounts(prometheus::Registry& registry, const std::string& route)
    : cpu_seconds(Counter(registry, route, "huatuo_apiserver_scrape_cpu_seconds_total",
                          "CPU time of making the text of metrics, without compression.")),
      bytes(Counter(registry, route, "huatuo_apiserver_scrape_bytes_total",
                    "Bytes of the text of metrics, before compression.")),
      samples(Counter(registry, route, "huatuo_apiserver_scrape_samples_total",
                      "Samples that were told.")),
      unfinished(Counter(registry, route, "huatuo_apiserver_scrapes_unfinished_total",
                         "Replies that the client left before their end.")),
      seconds(prometheus::BuildHistogram()
                  .Name("huatuo_apiserver_scrape_seconds")
                  .Help("Time from the request to the last piece of its reply being made.")
                  .Register(registry)
                  .Add({{"route", route}},
                       prometheus::Histogram::BucketBoundaries{.001, .01, .1, 1, 10})) {}

Response ExpositionReply(ExpositionFormat format, ExpositionStep step,
                         const ExpositionCounts& counts) {
  Response response;
  response.content_type = std::string(ContentType(format));
  const auto pieces = std::make_shared<Pieces>(format, std::move(step), counts);
  response.pieces = [pieces](std::string& out) { return pieces->Next(out); };
  return response;
}

}  // namespace huatuo
