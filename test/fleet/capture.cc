#include "test/fleet/capture.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <bit>
#include <cstdio>
#include <fstream>
#include <future>

#include "common/status.h"
#include "huatuo/v1/huatuo.grpc.pb.h"

namespace huatuo {
namespace {

using FromNodes = grpc::ServerReaderWriter<v1::ToNode, v1::FromNode>;

class Taker : public v1::Ingest::Service {
 public:
  grpc::Status Connect(grpc::ServerContext*, FromNodes* wire) override {
    v1::FromNode message;
    while (wire->Read(&message)) {
      Answer(message, *wire);
      // It has told all of the recording when nothing waits behind what has been acked.
      if (!taken_.events.empty() && message.has_status() &&
          message.status().spooled_entries() == 0) {
        done_.set_value(std::move(taken_));
        return grpc::Status::OK;
      }
    }
    return grpc::Status::OK;
  }

  Captured Await() { return done_.get_future().get(); }

 private:
  void Answer(const v1::FromNode& message, FromNodes& wire) {
    v1::ToNode answer;
    if (message.has_hello()) {
      answer.mutable_welcome()->set_catalog_needed(true);
    } else if (message.has_catalog()) {
      taken_.catalog = message.catalog();
      answer.mutable_catalog_reply();
    } else if (message.has_entries()) {
      for (const v1::Entry& entry : message.entries().entries()) {
        if (entry.has_event()) taken_.events.push_back(entry.event());
        answer.mutable_ack()->set_sequence(entry.sequence());
      }
    } else {
      return;
    }
    wire.Write(answer);
  }

  Captured taken_;
  std::promise<Captured> done_;
};

void Append(std::ofstream& file, const google::protobuf::Message& message) {
  static_assert(std::endian::native == std::endian::little);
  const std::string bytes = message.SerializeAsString();
  const auto length = static_cast<uint32_t>(bytes.size());
  file.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file << bytes;
}

bool Next(std::ifstream& file, google::protobuf::Message& message) {
  uint32_t length = 0;
  if (!file.read(reinterpret_cast<char*>(&length), sizeof(length))) return false;
  std::string bytes(length, '\0');
  return file.read(bytes.data(), length) && message.ParseFromString(bytes);
}

}  // namespace

absl::Status Capture(const std::string& address, const std::string& path) {
  Taker taker;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&taker);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return Unavailable(address + ": cannot be listened at");
  fmt::print("{}:{}\n", address.substr(0, address.rfind(':')), port);
  std::fflush(stdout);
  const Captured captured = taker.Await();
  std::ofstream file(path, std::ios::binary);
  Append(file, captured.catalog);
  for (const v1::Event& event : captured.events) Append(file, event);
  file.close();
  return file ? absl::OkStatus() : Unavailable(path + ": cannot be written");
}

absl::StatusOr<Captured> ReadCaptured(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Captured captured;
  if (!Next(file, captured.catalog)) return InvalidArgument(path + ": no catalog can be read");
  v1::Event event;
  while (Next(file, event)) captured.events.push_back(event);
  if (captured.events.empty()) return InvalidArgument(path + ": has no event");
  return captured;
}

}  // namespace huatuo
