// The PEM files of a server that speaks TLS.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace huatuo {

struct CertificatePaths {
  std::string certificate;
  std::string key;
  std::string client_ca;  // empty: clients show no certificate

  bool given() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
  std::vector<std::string> All() const { return {certificate, key, client_ca}; }
};

// Their texts. The certificate may have a chain behind it, the client CA several authorities.
struct Certificates {
  std::string certificate;
  std::string key;
  std::string client_ca;
};

// InvalidArgument, naming the file, when a text is no PEM, the key is not that of the certificate,
// or the certificate has ended; InvalidArgument when one of certificate and key is missing.
absl::StatusOr<Certificates> LoadCertificates(const CertificatePaths& paths);

}  // namespace huatuo
