// What a node sends on its stream after it has said hello and told its catalog: messages, each
// with its length before it as two bytes, the lower one first.
// Seeds: test/fuzz/server/stream.seed
#include <prometheus/registry.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/ingest/session.h"
#include "apiserver/store/memory_store.h"
#include "common/id.h"
#include "test/fuzz/must.h"

namespace huatuo {
namespace {

v1::Catalog SomeCatalog() {
  v1::Catalog catalog;
  v1::Unit& unit = *catalog.add_units();
  unit.set_name("oom");
  v1::EventType& event = *unit.add_events();
  event.set_name("oom");
  for (const auto& [name, type] :
       {std::pair("pid", v1::Field::UINT), std::pair("score", v1::Field::DOUBLE),
        std::pair("name", v1::Field::TEXT)}) {
    v1::Field& field = *event.add_fields();
    field.set_name(name);
    field.set_type(type);
  }
  v1::MetricType& metric = *unit.add_metrics();
  metric.set_name("huatuo_node_oom_kills_total");
  metric.set_type(v1::MetricType::COUNTER);
  return catalog;
}

// A server, as one node after the other sees it.
struct Server {
  const Clock& clock = Clock::Real();
  MemoryStore store;
  prometheus::Registry registry;
  IngestMetrics metrics{registry};
  CommitSignal committed;
  Catalogs catalogs{store};
  Nodes nodes{clock, store};
  KnownIssues issues{store, registry};
  SeriesTable series{clock, 1000};
  Writer writer{store, committed, metrics, clock, {}};

  std::shared_ptr<Session> Join(const std::string& node) {
    auto session = Session::Start({.clock = clock,
                                   .appender = store,
                                   .catalogs = catalogs,
                                   .nodes = nodes,
                                   .series = series,
                                   .writer = writer,
                                   .metrics = metrics,
                                   .issues = &issues},
                                  {.send = [](const v1::ToNode&) {},
                                   .end = [](const absl::Status&) {},
                                   .resume = [] {},
                                   .allow = {}});
    static const v1::Catalog kCatalog = SomeCatalog();
    v1::FromNode message;
    v1::Hello& hello = *message.mutable_hello();
    hello.set_protocol(1);
    hello.set_node(node);
    hello.set_catalog_sha256(Sha256(kCatalog.SerializeAsString()));
    hello.set_epoch(RandomId());
    hello.set_next_sequence(1);
    Must(session->Receive(message.SerializeAsString()).ok());
    *message.mutable_catalog() = kCatalog;
    // Only the first one is asked for it.
    if (!std::exchange(told_, true)) Must(session->Receive(message.SerializeAsString()).ok());
    return session;
  }

 private:
  bool told_ = false;
};

std::string_view Next(std::string_view& rest) {
  const size_t size = static_cast<uint8_t>(rest[0]) + 256U * static_cast<uint8_t>(rest[1]);
  const std::string_view message = rest.substr(2, size);
  rest.remove_prefix(std::min(rest.size(), 2 + size));
  return message;
}

}  // namespace
}  // namespace huatuo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // What is stored stays: from time to time a new server.
  constexpr int kNodes = 500;
  static std::optional<huatuo::Server> server;
  static int nodes = 0;
  if (nodes++ % kNodes == 0) server.emplace();
  const auto session = server->Join("a");
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (rest.size() >= 2) {
    const auto next = session->Receive(huatuo::Next(rest));
    if (next.ok()) continue;
    const auto message = next.status().message();
    huatuo::MustBeText({message.data(), message.size()});
    break;
  }
  return 0;
}
