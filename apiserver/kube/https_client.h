// Transport over HTTPS/1.1: the adapter around Boost.Beast and OpenSSL.
//
// A connection is kept for the next request, but for a minute at most: with each new one the
// credentials are read anew.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "apiserver/kube/access.h"
#include "apiserver/kube/transport.h"

namespace huatuo {

struct HttpsLimits {
  std::chrono::milliseconds connect{10'000};  // each of: TCP, TLS
  std::chrono::milliseconds head{30'000};     // from the request to the head of the answer
  std::chrono::seconds reuse{60};
  uint32_t header_bytes = 64 << 10;
};

class HttpsClient : public Transport {
 public:
  explicit HttpsClient(LoadAccess load, HttpsLimits limits = {});
  ~HttpsClient() override;

  absl::StatusOr<Head> Get(const std::string& target) override;
  absl::StatusOr<std::string_view> Read(std::chrono::milliseconds patience) override;
  void Stop() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace huatuo
