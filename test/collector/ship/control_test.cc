// What the server asks on the stream, and what it is told of tasks.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <mutex>

#include "fake_node.h"

namespace huatuo {
namespace {

TEST_CASE("the server's questions are answered by the hooks, unknown ones refused") {
  FakeServer server;
  Folder folder;
  StreamHooks hooks;
  hooks.set_parameters = [](const v1::SetParameters& request) {
    v1::ParameterReply reply;
    reply.set_accepted(request.unit() == "oom");
    return reply;
  };
  hooks.configure = [](const v1::Configure& request) {
    v1::ConfigureReply reply;
    reply.set_version(request.version());
    return reply;
  };
  hooks.status = [] {
    v1::NodeStatus status;
    status.set_cpus(3);
    return status;
  };
  Node node(server.target(), folder / "spool", hooks);
  server.Play([](const v1::FromNode& message, FakeServer::Wire& wire) {
    if (message.has_catalog()) {
      v1::ToNode ask;
      ask.mutable_set_parameters()->set_unit("oom");
      ask.mutable_set_parameters()->set_request_id("r1");
      wire.Write(ask);
      ask.mutable_open_instance()->set_task_id("t1");
      wire.Write(ask);
      ask.mutable_configure()->set_version(7);
      wire.Write(ask);
    }
    return grpc::Status::OK;
  });
  node.Start();
  REQUIRE(Eventually([&] { return !server.messages(v1::FromNode::kInstanceReply).empty(); }));
  REQUIRE(Eventually([&] { return !server.messages(v1::FromNode::kParameterReply).empty(); }));
  CHECK(server.messages(v1::FromNode::kParameterReply).at(0).ShortDebugString() ==
        R"(parameter_reply { request_id: "r1" accepted: true })");
  REQUIRE(Eventually([&] { return !server.messages(v1::FromNode::kConfigureReply).empty(); }));
  CHECK(server.messages(v1::FromNode::kConfigureReply).at(0).ShortDebugString() ==
        "configure_reply { version: 7 }");
  CHECK(server.messages(v1::FromNode::kInstanceReply).at(0).ShortDebugString() ==
        R"(instance_reply { task_id: "t1" reason: "not supported by this collector" })");
  REQUIRE(Eventually([&] { return !server.messages(v1::FromNode::kStatus).empty(); }));
  v1::NodeStatus status = server.messages(v1::FromNode::kStatus).at(0).status();
  CHECK(status.cpus() == 3);
  CHECK(status.spool_limit_bytes() == 64 << 20);
}

TEST_CASE("the answer to a change comes behind a status that shows it") {
  FakeServer server;
  Folder folder;
  uint64_t limit = 10;
  StreamHooks hooks;
  hooks.set_parameters = [&](const v1::SetParameters& request) {
    limit = request.values(0).value();
    v1::ParameterReply reply;
    reply.set_accepted(true);
    return reply;
  };
  hooks.status = [&] {
    v1::NodeStatus status;
    status.add_units()->add_parameters()->set_value(limit);
    return status;
  };
  Node node(server.target(), folder / "spool", hooks);
  std::mutex mutex;
  std::string said;
  server.Play([&](const v1::FromNode& message, FakeServer::Wire& wire) {
    const std::lock_guard lock(mutex);
    if (message.has_parameter_reply()) said += "answer";
    if (!message.has_status()) return grpc::Status::OK;
    said += fmt::format("{} ", message.status().units(0).parameters(0).value());
    if (said != "10 ") return grpc::Status::OK;
    v1::ToNode ask;
    ask.mutable_set_parameters()->add_values()->set_value(20);
    wire.Write(ask);
    return grpc::Status::OK;
  });
  node.Start();
  REQUIRE(Eventually([&] {
    const std::lock_guard lock(mutex);
    return said.ends_with("answer");
  }));
  const std::lock_guard lock(mutex);
  CHECK(said == "10 20 answer");
}

// Ends of tasks, kept until they are confirmed, as the rest of the collector keeps them.
struct Ends {
  std::optional<InstanceEnd> After(uint64_t serial) {
    std::lock_guard lock(mutex);
    for (const InstanceEnd& end : kept) {
      if (end.serial > serial) {
        return end;
      }
    }
    return std::nullopt;
  }
  void Add(uint64_t serial) {
    std::lock_guard lock(mutex);
    kept.push_back({.serial = serial});
    kept.back().reply.set_task_id("t" + std::to_string(serial));
    kept.back().reply.set_completed(true);
  }
  void Close(const v1::CloseInstance& request) {
    std::lock_guard lock(mutex);
    std::erase_if(kept, [&](const auto& end) { return end.reply.task_id() == request.task_id(); });
  }
  std::mutex mutex;
  std::vector<InstanceEnd> kept;
};

TEST_CASE("the end of a task is told before the status, again on each stream until confirmed") {
  FakeServer server;
  Folder folder;
  Ends ends;
  ends.Add(1);
  ends.Add(2);
  StreamHooks hooks;
  hooks.ended = [&](uint64_t serial) { return ends.After(serial); };
  hooks.close_instance = [&](const v1::CloseInstance& request) { ends.Close(request); };
  Node node(server.target(), folder / "spool", hooks);
  std::atomic<bool> confirm = false;
  std::mutex mutex;
  std::string heard;
  server.Play([&](const v1::FromNode& message, FakeServer::Wire& wire) {
    std::lock_guard lock(mutex);
    if (message.has_status()) {
      heard += "status ";
    }
    if (!message.has_instance_reply()) {
      return grpc::Status::OK;
    }
    const std::string& task = message.instance_reply().task_id();
    heard += task + " ";
    v1::ToNode close;
    close.mutable_close_instance()->set_task_id(task);
    if (confirm || task == "t1") {
      wire.Write(close);
    }
    return grpc::Status::OK;
  });
  const auto becomes = [&](const std::string& text) {
    return Eventually([&] {
      std::lock_guard lock(mutex);
      return heard == text;
    });
  };
  Stream& stream = node.Start();
  REQUIRE(becomes("t1 t2 status "));
  REQUIRE(Eventually([&] { return !ends.After(0) || ends.After(0)->serial == 2; }));
  server.Down();
  confirm = true;
  server.Up();
  REQUIRE(becomes("t1 t2 status t2 status "));
  ends.Add(3);
  stream.Wake();
  REQUIRE(becomes("t1 t2 status t2 status t3 "));
  REQUIRE(Eventually([&] { return !ends.After(0); }));
  // What ends while the collector stops is told as well.
  ends.Add(4);
  stream.Stop();
  CHECK(becomes("t1 t2 status t2 status t3 t4 "));
}

}  // namespace
}  // namespace huatuo
