#include "apiserver/access/certificates.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

#include "apiserver/access/read_file.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Never asks on a terminal.
int NoPassword(char*, int, int, void*) { return -1; }

Bio Open(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

// All certificates of a text are read, so that none of them is found to be damaged by a client.
absl::StatusOr<X509Ptr> ReadCertificates(const std::string& path, const std::string& text) {
  const Bio bio = Open(text);
  X509Ptr first(PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr), X509_free);
  if (!first) {
    ERR_clear_error();
    return InvalidArgument(fmt::format("{}: no certificate in PEM", path));
  }
  while (
      const X509Ptr more{PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr), X509_free}) {
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) return InvalidArgument(fmt::format("{}: a damaged certificate in PEM", path));
  return first;
}

absl::StatusOr<KeyPtr> ReadKey(const std::string& path, const std::string& text) {
  const Bio bio = Open(text);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassword, nullptr), EVP_PKEY_free);
  ERR_clear_error();
  if (!key) return InvalidArgument(fmt::format("{}: no private key in PEM without password", path));
  return key;
}

absl::Status CheckPair(const CertificatePaths& paths, const Certificates& texts) {
  ASSIGN_OR_RETURN(const X509Ptr certificate,
                   ReadCertificates(paths.certificate, texts.certificate));
  ASSIGN_OR_RETURN(const KeyPtr key, ReadKey(paths.key, texts.key));
  const bool belongs = X509_check_private_key(certificate.get(), key.get()) == 1;
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                  SSL_CTX_free);
  const bool strong = SSL_CTX_use_certificate(context.get(), certificate.get()) == 1 &&
                      (!belongs || SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1);
  ERR_clear_error();
  if (!belongs) {
    return InvalidArgument(fmt::format("{}: not the key of {}", paths.key, paths.certificate));
  }
  if (!strong) {
    return InvalidArgument(
        fmt::format("{}: OpenSSL refuses it: its key or signature is weak", paths.certificate));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return InvalidArgument(fmt::format("{}: the certificate has ended", paths.certificate));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Certificates> LoadCertificates(const CertificatePaths& paths) {
  if (paths.certificate.empty() || paths.key.empty()) {
    return InvalidArgument("tls: certificate_file and key_file are needed both");
  }
  Certificates texts;
  ASSIGN_OR_RETURN(texts.certificate, ReadWholeFile(paths.certificate));
  ASSIGN_OR_RETURN(texts.key, ReadWholeFile(paths.key));
  RETURN_IF_ERROR(CheckPair(paths, texts));
  if (paths.client_ca.empty()) return texts;
  ASSIGN_OR_RETURN(texts.client_ca, ReadWholeFile(paths.client_ca));
  RETURN_IF_ERROR(ReadCertificates(paths.client_ca, texts.client_ca).status());
  return texts;
}

}  // namespace huatuo
