#include "apiserver/query/tls_context.h"

#include <boost/asio/buffer.hpp>
#include <utility>

#include "common/status.h"

namespace huatuo {
namespace {

namespace ssl = boost::asio::ssl;

absl::StatusOr<TlsContexts::Context> Make(const Certificates& certificates) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(
      ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, error);
  context->use_certificate_chain(boost::asio::buffer(certificates.certificate), error);
  if (error) return InvalidArgument("TLS certificate: " + error.message());
  context->use_private_key(boost::asio::buffer(certificates.key), ssl::context::pem, error);
  if (error) return InvalidArgument("TLS key: " + error.message());
  return context;
}

}  // namespace

absl::StatusOr<TlsContexts::Context> TlsContexts::Now() {
  std::shared_ptr<const Certificates> now = certificates_->Get();
  const std::lock_guard lock(mutex_);
  if (now == used_) return context_;
  absl::StatusOr<Context> next = Make(*now);
  if (!next.ok() && !context_) return next;
  if (next.ok()) context_ = *std::move(next);
  used_ = std::move(now);
  return context_;
}

}  // namespace huatuo
