// A collector's delivery against a FakeServer.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "collector/ship/session.h"
#include "collector/ship/stream.h"
#include "fake_server.h"

namespace huatuo {

inline v1::Catalog MakeCatalog() {
  v1::Catalog catalog;
  catalog.add_units()->set_name("oom");
  return catalog;
}

// A collector's delivery, with back-off short enough for a test.
struct Node {
  explicit Node(const std::string& target, const std::string& spool, StreamHooks hooks = {})
      : outbox(*Outbox::Open({.spool = {.folder = spool}}, Clock::Real())) {
    options.link.target = target;
    options.session.hello.set_node("n1");
    options.backoff_min = std::chrono::milliseconds(2);
    options.backoff_max = std::chrono::milliseconds(50);
    the_hooks = std::move(hooks);
  }
  Stream& Start() {
    stream = std::make_unique<Stream>(options, *outbox, series, MakeCatalog(), the_hooks);
    stream->Start();
    return *stream;
  }
  void PushMany(int count) {
    for (int i = 0; i < count; ++i) {
      outbox->Push(MakeEvent(std::to_string(i)));
    }
  }
  std::unique_ptr<Outbox> outbox;
  SeriesWriter series;
  StreamOptions options;
  StreamHooks the_hooks;
  std::unique_ptr<Stream> stream;
};

}  // namespace huatuo
