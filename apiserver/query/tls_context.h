// What OpenSSL needs of the certificates of the moment. Only the HTTP server includes this: Asio is
// expensive.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "apiserver/access/certificates.h"
#include "apiserver/access/reload.h"

namespace huatuo {

// TLS 1.2 and later. Thread-safe.
class TlsContexts {
 public:
  using Context = std::shared_ptr<boost::asio::ssl::context>;

  explicit TlsContexts(std::shared_ptr<const Live<Certificates>> certificates)
      : certificates_(std::move(certificates)) {}

  // A new one when the certificates have changed; connections keep theirs alive. When
  // OpenSSL does not take them the one before, or InvalidArgument.
  absl::StatusOr<Context> Now();

 private:
  const std::shared_ptr<const Live<Certificates>> certificates_;
  std::mutex mutex_;
  std::shared_ptr<const Certificates> used_;
  Context context_;
};

}  // namespace huatuo
