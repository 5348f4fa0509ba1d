// The collector's configuration; docs/configuration.md is made from the table in settings.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/metric_rules.h"

namespace huatuo {

struct Settings {
  std::string node;  // default: the host name
  std::string region = "default";
  std::string root;  // holds proc/ and sys/; empty: this machine
  std::string apiserver = "127.0.0.1:12741";
  bool tls = false;
  std::string tls_ca_file;
  std::string tls_certificate_file;
  std::string tls_key_file;
  std::string tls_server_name;
  std::string token_file;
  std::string spool_folder = "/var/lib/huatuo/spool";
  uint64_t spool_limit_bytes = 64 << 20;
  uint64_t profile_spool_limit_bytes = 64 << 20;
  uint64_t metrics_interval_seconds = 15;
  double budget_percent = 1.0;  // of the node's CPU
  uint64_t budget_hold_seconds = 60;
  uint64_t budget_interval_seconds = 10;
  uint64_t ring_bytes = 1 << 20;
  uint64_t fold_seconds = 1;
  std::vector<std::string> off;  // units that are not opened; with `only`, all others
  std::vector<std::string> only;
  std::vector<std::string> set;  // assignments (collector/parameters.h), checked
  MetricRuleTexts metrics;
  uint64_t max_series_per_family = 2000;
  std::string record;
  std::string replay;
};

// From --config and flags, checked.
absl::StatusOr<Settings> LoadSettings(int argc, char** argv);

}  // namespace huatuo
