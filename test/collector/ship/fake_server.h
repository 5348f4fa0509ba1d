// A server that keeps what it is sent in memory and checks the order, with a script for the rest.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fixtures.h"
#include "huatuo/v1/huatuo.grpc.pb.h"

namespace huatuo {

class FakeServer : public v1::Ingest::Service {
 public:
  using Wire = grpc::ServerReaderWriter<v1::ToNode, v1::FromNode>;
  // Called for each message; anything but OK ends the stream so.
  using Script = std::function<grpc::Status(const v1::FromNode& message, Wire& wire)>;

  explicit FakeServer(
      std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials())
      : credentials_(std::move(credentials)) {
    Listen(0);
  }
  ~FakeServer() override { Down(); }

  void Down() {
    if (server_) {
      server_->Shutdown(std::chrono::system_clock::now());
      server_.reset();
    }
  }
  void Up() { Listen(port_); }
  std::string target() const { return fmt::format("127.0.0.1:{}", port_); }

  void Play(Script script) {
    std::lock_guard lock(mutex_);
    script_ = std::move(script);
  }

  // Everything that was stored, epoch after epoch in the order of their first entry.
  std::vector<v1::Entry> stored() {
    std::lock_guard lock(mutex_);
    return stored_;
  }
  size_t size() {
    std::lock_guard lock(mutex_);
    return stored_.size();
  }
  std::vector<v1::Hello> hellos() {
    std::lock_guard lock(mutex_);
    return hellos_;
  }
  // Of one kind, in the order of arrival.
  std::vector<v1::FromNode> messages(v1::FromNode::MessageCase kind) {
    std::lock_guard lock(mutex_);
    std::vector<v1::FromNode> found;
    for (const v1::FromNode& message : messages_) {
      if (message.message_case() == kind) {
        found.push_back(message);
      }
    }
    return found;
  }
  int broken_rules() {
    std::lock_guard lock(mutex_);
    return broken_rules_;
  }
  std::string authorization() {
    std::lock_guard lock(mutex_);
    return authorization_;
  }

  grpc::Status Connect(grpc::ServerContext* context, Wire* wire) override {
    v1::FromNode message;
    if (!wire->Read(&message)) {
      return grpc::Status::OK;
    }
    std::string epoch = message.hello().epoch();
    v1::ToNode welcome;
    Script script = Greet(*context, message, welcome.mutable_welcome());
    grpc::Status status = script(message, *wire);
    if (status.ok()) {
      wire->Write(welcome);
    }
    while (status.ok() && wire->Read(&message)) {
      uint64_t acked = Keep(epoch, message);
      status = script(message, *wire);
      if (acked > 0 && status.ok()) {
        v1::ToNode ack;
        ack.mutable_ack()->set_sequence(acked);
        wire->Write(ack);
      }
    }
    return status;
  }

 private:
  void Listen(int port) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(fmt::format("127.0.0.1:{}", port), credentials_, &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }

  Script Greet(const grpc::ServerContext& context, const v1::FromNode& message,
               v1::Welcome* welcome) {
    std::lock_guard lock(mutex_);
    const v1::Hello& hello = message.hello();
    hellos_.push_back(hello);
    auto token = context.client_metadata().find("authorization");
    authorization_ = token == context.client_metadata().end()
                         ? ""
                         : std::string(token->second.begin(), token->second.end());
    welcome->set_high_water(high_water_[hello.epoch()]);
    welcome->set_catalog_needed(catalog_sha256_ != hello.catalog_sha256());
    catalog_sha256_ = hello.catalog_sha256();
    return script_;
  }

  uint64_t Keep(const std::string& epoch, const v1::FromNode& message) {
    std::lock_guard lock(mutex_);
    messages_.push_back(message);
    uint64_t& high_water = high_water_[epoch];
    for (const v1::Entry& entry : message.entries().entries()) {
      uint64_t first = entry.has_gap() ? entry.gap().first_sequence() : entry.sequence();
      broken_rules_ += first != high_water + 1 ? 1 : 0;
      high_water = entry.sequence();
      stored_.push_back(entry);
    }
    return message.has_entries() ? high_water : 0;
  }

  std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::mutex mutex_;
  Script script_ = [](const v1::FromNode&, Wire&) { return grpc::Status::OK; };
  std::map<std::string, uint64_t> high_water_;
  std::vector<v1::Entry> stored_;
  std::vector<v1::FromNode> messages_;
  std::vector<v1::Hello> hellos_;
  std::string catalog_sha256_;
  std::string authorization_;
  int broken_rules_ = 0;
};

}  // namespace huatuo
