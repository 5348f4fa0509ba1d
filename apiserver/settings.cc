#include "apiserver/settings.h"

#include <sstream>

#include "apiserver/access/exposure.h"
#include "common/config.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

std::vector<Option> ServerOptions(Settings& s) {
  return {
      {"http_listen", "address:port of REST, metrics and the console; port 0: any", &s.http_listen},
      {"grpc_listen", "address:port for the collectors; port 0: any", &s.grpc_listen},
      {"store", "sqlite, postgres or memory", &s.store},
      {"data_dir", "folder of everything that is kept", &s.data_dir},
      {"postgres.url",
       "postgresql://user@host:port/database?sslmode=..., or key=value words of libpq, without a "
       "password; what it leaves out comes from the PG... environment and the passfile",
       &s.postgres_url},
      {"postgres.password_file", "its first line is the password; read at each connect",
       &s.postgres_password_file},
      {"postgres.connections", "at most so many for events and tasks, and for profiles",
       &s.postgres_connections, 2, 1000},
      {"postgres.timeout_seconds", "of one statement; the server is then said to be unavailable",
       &s.postgres_timeout_seconds, 1, 3600},
      {"retention.hours", "age at which events go", &s.retention_hours, 1, 24 * 3660},
      {"retention.bytes", "size of the store at which the oldest events go", &s.retention_bytes,
       1 << 20, 1e15},
      {"retention.profile_hours", "age at which profiles go", &s.profile_retention_hours, 1,
       24 * 3660},
      {"retention.profile_bytes", "size of the store of profiles at which the oldest go",
       &s.profile_retention_bytes, 1 << 20, 1e15},
      {"max_series_per_node", "series beyond it are refused and counted", &s.max_series_per_node, 1,
       1e7},
      {"tasks.max_open", "tasks beyond it are refused", &s.max_open_tasks, 1, 1e6},
      {"tasks.dispatch_seconds", "a task that its node has not begun by then expires",
       &s.task_dispatch_seconds, 1, 86400},
      {"tasks.node_gone_seconds", "a running task whose node is away for longer fails",
       &s.task_node_gone_seconds, 1, 86400},
      {"known_issues_file",
       "JSON of the known issues, as of PUT /api/v1/known_issues, in force from the start; "
       "default: "
       "those that were put last",
       &s.known_issues_file},
      {"console_dir",
       "folder of the console's files; default: console/ beside the program, else "
       "../share/huatuo/console",
       &s.console_dir},
  };
}

// The files are read again when they change.
std::vector<Option> AccessOptions(Settings& s) {
  return {
      {"tls.certificate_file", "PEM for gRPC and HTTP, with its chain; with key_file",
       &s.tls_certificate_file},
      {"tls.key_file", "PEM of its key", &s.tls_key_file},
      {"tls.client_ca_file",
       "PEM; collectors must then show a certificate signed by it, with their node's name",
       &s.tls_client_ca_file},
      {"join_tokens_file",
       "tokens that collectors may join with, or sha256: and the hash of one, one a line, each "
       "with the name of its node when it is for one",
       &s.join_tokens_file},
      {"api_tokens_file",
       "YAML of the tokens of the REST API; `huatuo-apiserver token create` makes its entries",
       &s.api_tokens_file},
      {"allow_insecure",
       "true: addresses that other machines reach may lack TLS, tokens and certificates",
       &s.allow_insecure},
      {"audit_file", "JSON lines of who changed what through the API; default: in the log",
       &s.audit_file},
      {"limits.requests_per_second",
       "of HTTP, of one token or, without a token, of one address; twice as many at once; 0: any",
       &s.requests_per_second, 0, 1e6},
      {"limits.connections_per_address", "of HTTP; 0: any number", &s.connections_per_address, 0,
       1e6},
      {"limits.node_messages_per_second",
       "of one node; its stream ends when it sends four times as many at once; 0: any",
       &s.node_messages_per_second, 0, 1e9},
      {"limits.node_bytes_per_second", "the same of bytes", &s.node_bytes_per_second, 0, 1e12},
      {"limits.grpc_memory_bytes", "what gRPC may keep for all streams; 0: any",
       &s.grpc_memory_bytes, 0, 1e15},
  };
}

absl::Status CheckAccess(const Settings& s) {
  return CheckExposure({.http_listen = s.http_listen,
                        .grpc_listen = s.grpc_listen,
                        .tls = !s.tls_certificate_file.empty() && !s.tls_key_file.empty(),
                        .people = !s.api_tokens_file.empty(),
                        .nodes = !s.tls_client_ca_file.empty() || !s.join_tokens_file.empty(),
                        .allow_insecure = s.allow_insecure});
}

std::vector<Option> SinkOptions(Settings& s) {
  return {
      {"sink.file.directory", "folder of NDJSON files of all events; empty: none",
       &s.sink_file_directory},
      {"sink.file.max_bytes", "of one of these files", &s.sink_file_max_bytes, 1 << 16, 1e12},
      {"sink.file.max_files", "the oldest beyond it go", &s.sink_file_max_files, 1, 1000},
      {"sink.kafka.brokers", "host:port,host:port of Kafka that gets all events; empty: none",
       &s.sink_kafka_brokers},
      {"sink.kafka.topic", "topic of the events", &s.sink_kafka_topic},
      {"sink.kafka.properties_file", "lines key=value of librdkafka's configuration: TLS, SASL",
       &s.sink_kafka_properties_file},
  };
}

std::vector<Option> KubernetesOptions(Settings& s) {
  return {
      {"kubernetes",
       "where the cluster's pods are asked for: auto, off, in-cluster or kubeconfig; auto: "
       "kubeconfig when one is named, in-cluster in a pod, else off",
       &s.kubernetes},
      {"kubeconfig", "path of a kubeconfig file", &s.kubeconfig},
      {"kube_context", "its context; default: current-context", &s.kube_context},
      {"kube_service_account_dir", "folder of token and ca.crt, in-cluster",
       &s.kube_service_account_dir},
      {"kube_metric_labels",
       "labels of pods that their metrics have as label_NAME, separated by commas; at most 16",
       &s.kube_metric_labels},
      {"kube_annotations", "annotations of pods that their events tell, separated by commas",
       &s.kube_annotations},
      {"kube_wait_seconds",
       "how long the start waits for the first list of pods, and events for a pod that is not "
       "known "
       "yet; then they are stored without it",
       &s.kube_wait_seconds, 0, 60},
  };
}

std::vector<Option> Table(Settings& s) {
  std::vector<Option> all = ServerOptions(s);
  for (auto* more : {&AccessOptions, &SinkOptions, &KubernetesOptions}) {
    for (Option& option : more(s)) all.push_back(std::move(option));
  }
  return all;
}

// What is between commas, of all.
std::vector<std::string> Split(const std::vector<std::string>& lists) {
  std::vector<std::string> words;
  for (const std::string& list : lists) {
    std::istringstream in(list);
    for (std::string word; std::getline(in, word, ',');) {
      if (!word.empty()) words.push_back(word);
    }
  }
  return words;
}

}  // namespace

absl::StatusOr<Settings> LoadSettings(int argc, char** argv) {
  Settings settings;
  RETURN_IF_ERROR(LoadConfig(Table(settings), argc, argv));
  RETURN_IF_ERROR(CheckPlace(PlaceOf(settings)));
  RETURN_IF_ERROR(CheckAccess(settings));
  settings.kube_metric_labels = Split(settings.kube_metric_labels);
  settings.kube_annotations = Split(settings.kube_annotations);
  return settings;
}

CertificatePaths CertificatesOf(const Settings& settings) {
  return {settings.tls_certificate_file, settings.tls_key_file, settings.tls_client_ca_file};
}

StorePlace PlaceOf(const Settings& settings) {
  return {settings.store, settings.data_dir,
          PostgresOptions{settings.postgres_url, settings.postgres_password_file,
                          settings.postgres_connections,
                          std::chrono::seconds(settings.postgres_timeout_seconds)}};
}

}  // namespace huatuo
