// The apiserver's configuration; the table is in settings.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/access/certificates.h"
#include "apiserver/store/open_store.h"

namespace huatuo {

struct Settings {
  std::string http_listen = "127.0.0.1:12740";
  std::string grpc_listen = "127.0.0.1:12741";
  std::string store = "sqlite";
  std::string data_dir = "/var/lib/huatuo/apiserver";
  std::string postgres_url;
  std::string postgres_password_file;
  uint64_t postgres_connections = 8;
  uint64_t postgres_timeout_seconds = 30;
  uint64_t retention_hours = 24ULL * 14;
  uint64_t retention_bytes = 10ULL << 30;
  uint64_t profile_retention_hours = 24ULL * 3;
  uint64_t profile_retention_bytes = 4ULL << 30;
  uint64_t max_series_per_node = 20000;
  uint64_t max_open_tasks = 1000;
  uint64_t task_dispatch_seconds = 60;
  uint64_t task_node_gone_seconds = 90;
  std::string tls_certificate_file;
  std::string tls_key_file;
  std::string tls_client_ca_file;
  std::string join_tokens_file;
  std::string api_tokens_file;
  bool allow_insecure = false;
  std::string audit_file;
  uint64_t requests_per_second = 1000;
  uint64_t connections_per_address = 256;
  uint64_t node_messages_per_second = 5000;
  uint64_t node_bytes_per_second = 64ULL << 20;
  uint64_t grpc_memory_bytes = 1ULL << 30;
  std::string known_issues_file;
  std::string console_dir;
  std::string sink_file_directory;
  uint64_t sink_file_max_bytes = 64ULL << 20;
  uint64_t sink_file_max_files = 10;
  std::string sink_kafka_brokers;
  std::string sink_kafka_topic = "huatuo.events";
  std::string sink_kafka_properties_file;
  std::string kubernetes = "auto";
  std::string kubeconfig;
  std::string kube_context;
  std::string kube_service_account_dir = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::vector<std::string> kube_metric_labels;
  std::vector<std::string> kube_annotations;
  uint64_t kube_wait_seconds = 5;
};

// The PEM files of HTTP and gRPC.
CertificatePaths CertificatesOf(const Settings& settings);

// Where the stores are.
StorePlace PlaceOf(const Settings& settings);

// From --config and flags, checked.
absl::StatusOr<Settings> LoadSettings(int argc, char** argv);

}  // namespace huatuo
