// TLS of a gRPC server whose certificates may change while it runs.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "apiserver/access/certificates.h"
#include "apiserver/access/reload.h"

namespace huatuo {

// Each new connection is shown the certificate of the moment, and its client's is checked against
// the client CA of the moment. Whether one is asked for is decided here, once. The result must
// outlive the server that uses it.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(
    std::shared_ptr<const Live<Certificates>> certificates);

}  // namespace huatuo
