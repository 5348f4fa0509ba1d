// huatuo-apiserver: the stages of the centre, from the store to the reader.
#include <fmt/format.h>
#include <prometheus/registry.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "apiserver/access/token_command.h"
#include "apiserver/config/live_config.h"
#include "apiserver/doors.h"
#include "apiserver/ingest/known_issues.h"
#include "apiserver/ingest/nodes.h"
#include "apiserver/ingest/service.h"
#include "apiserver/janitor.h"
#include "apiserver/kube/cluster.h"
#include "apiserver/query/api_server.h"
#include "apiserver/replica/replicas.h"
#include "apiserver/settings.h"
#include "apiserver/sink/file_sink.h"
#include "apiserver/sink/follower.h"
#include "apiserver/sink/kafka_sink.h"
#include "apiserver/store/commit_signal.h"
#include "apiserver/store/open_store.h"
#include "apiserver/store/series.h"
#include "apiserver/tasks/tasks.h"
#include "common/log.h"
#include "common/process.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

absl::Status CreateFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return error ? ErrnoStatus(error.value(), "create data_dir " + path) : absl::OkStatus();
}

// For scripts that asked for port 0: {"http":"127.0.0.1:1234","grpc":"…"}.
absl::Status WriteAddresses(const std::string& folder, const std::string& http,
                            const std::string& grpc) {
  const std::string path = folder + "/addresses.json";
  const std::string next = path + ".new";
  std::ofstream file(next);
  file << fmt::format("{{\"http\":\"{}\",\"grpc\":\"{}\"}}\n", http, grpc);
  file.close();
  if (!file) return Unavailable("write " + next);
  if (std::rename(next.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "rename " + next);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<IngestServer>> StartIngest(const Settings& settings,
                                                          const Doors& doors,
                                                          const IngestSinks& sinks) {
  IngestOptions options;
  options.listen = settings.grpc_listen;
  SetDoors(settings, doors, options);
  options.pod_wait.wait_ns = static_cast<int64_t>(settings.kube_wait_seconds) * 1'000'000'000;
  return IngestServer::Start(options, sinks);
}

absl::StatusOr<std::unique_ptr<Cluster>> StartCluster(const Settings& settings, const Clock& clock,
                                                      prometheus::Registry& registry) {
  ClusterOptions options;
  options.mode = settings.kubernetes;
  options.kubeconfig = settings.kubeconfig;
  options.context = settings.kube_context;
  options.service_account_dir = settings.kube_service_account_dir;
  options.watch.annotations = settings.kube_annotations;
  ASSIGN_OR_RETURN(std::unique_ptr<Cluster> cluster, Cluster::Start(options, clock, registry));
  if (cluster) cluster->AwaitPods(std::chrono::seconds(settings.kube_wait_seconds));
  return cluster;
}

absl::StatusOr<SeriesPods> PodsOfSeries(const Settings& settings, const Cluster* cluster) {
  const absl::StatusOr<PodLabelNames> labels = MakePodLabelNames(settings.kube_metric_labels);
  RETURN_IF_ERROR(Annotate(labels.status(), "kube_metric_labels"));
  return SeriesPods{cluster == nullptr ? nullptr : &cluster->pods(), *labels};
}

absl::StatusOr<std::unique_ptr<Tasks>> StartTasks(const Settings& settings,
                                                  const TaskSources& sources) {
  constexpr int64_t kSecond = 1'000'000'000;
  TaskLimits limits;
  limits.in_total = settings.max_open_tasks;
  limits.patience.dispatch_ns = static_cast<int64_t>(settings.task_dispatch_seconds) * kSecond;
  limits.patience.gone_ns = static_cast<int64_t>(settings.task_node_gone_seconds) * kSecond;
  return Tasks::Start(sources, limits);
}

absl::StatusOr<std::unique_ptr<ApiServer>> StartApi(const Settings& settings, const Doors& doors,
                                                    const ApiSources& sources) {
  ApiOptions options;
  options.server.listen = settings.http_listen;
  SetDoors(settings, doors, sources.clock, options);
  return ApiServer::Start(options, sources);
}

// For /readyz: why the store cannot be read.
std::optional<std::string> Unreadable(Store& store) {
  const absl::StatusOr<uint64_t> newest = store.Newest();
  return newest.ok() ? std::nullopt : std::optional(Message(newest.status()));
}

Retention MakeRetention(uint64_t hours, uint64_t bytes) {
  return {static_cast<int64_t>(hours) * 3'600'000'000'000, bytes};
}

Janitor::Stores StoresOf(const Settings& settings, Store& events, ProfileStore& profiles,
                         std::function<bool()> turn) {
  return {events, MakeRetention(settings.retention_hours, settings.retention_bytes), profiles,
          MakeRetention(settings.profile_retention_hours, settings.profile_retention_bytes),
          std::move(turn)};
}

// One for each sink that is configured.
absl::StatusOr<std::vector<std::unique_ptr<SinkFollower>>> StartSinks(
    const Settings& settings, const SinkFollower::Source& source) {
  std::vector<std::unique_ptr<Sink>> sinks;
  if (!settings.sink_file_directory.empty()) {
    ASSIGN_OR_RETURN(sinks.emplace_back(),
                     FileSink::Open({settings.sink_file_directory, settings.sink_file_max_bytes,
                                     settings.sink_file_max_files}));
  }
  if (!settings.sink_kafka_brokers.empty()) {
    ASSIGN_OR_RETURN(sinks.emplace_back(),
                     KafkaSink::Open({settings.sink_kafka_brokers, settings.sink_kafka_topic,
                                      settings.sink_kafka_properties_file}));
  }
  std::vector<std::unique_ptr<SinkFollower>> followers;
  for (std::unique_ptr<Sink>& sink : sinks) {
    ASSIGN_OR_RETURN(followers.emplace_back(), SinkFollower::Start(source, std::move(sink)));
  }
  return followers;
}

// Null when the store is this process's alone.
absl::StatusOr<std::unique_ptr<Replicas>> StartReplicas(const Settings& settings,
                                                        const ReplicaSources& sources) {
  if (settings.store != "postgres") return nullptr;
  ReplicaOptions options;
  options.name = settings.name;
  options.postgres = PlaceOf(settings).postgres;
  return Replicas::Start(options, sources);
}

// Whether it is ours to do what one does for all.
std::function<bool()> TurnOf(const Replicas* replicas) {
  if (replicas == nullptr) return {};
  return [replicas] { return replicas->turn(); };
}

// For the other apiservers, for scripts and for people.
absl::Status Announce(const Settings& settings, Replicas* replicas, const std::string& http,
                      const std::string& grpc) {
  if (replicas != nullptr) replicas->Announce(http, grpc);
  LogInfo(fmt::format("apiserver {}: http {}, grpc {}, store {}", HUATUO_VERSION, http, grpc,
                      settings.store));
  return WriteAddresses(settings.data_dir, http, grpc);
}

absl::StatusOr<Console> OpenConsole(const Settings& settings) {
  ASSIGN_OR_RETURN(Console console, Console::Open(settings.console_dir));
  if (!console.built()) LogInfo("no console was built: a plain page takes its place");
  return console;
}

// For /readyz. Both must outlive the checks.
std::vector<Check> ChecksOf(const Clock& clock, IngestServer& ingest, Store& store) {
  return {{"ingest", [&] { return ingest.Stalled(clock.BootNs()); }},
          {"store", [&] { return Unreadable(store); }}};
}

void ServeUntilSignal(const sigset_t& signals, IngestServer& ingest, ApiServer& api) {
  int signal = 0;
  sigwait(&signals, &signal);
  LogInfo(fmt::format("signal {}: stopping", signal));
  ingest.Shutdown();
  api.Shutdown();
}

absl::Status Run(const Settings& settings, const sigset_t& signals) {
  const Clock& clock = Clock::Real();
  prometheus::Registry registry;
  RETURN_IF_ERROR(CreateFolder(settings.data_dir));

  // who may come in
  Reloads reloads(registry);
  ASSIGN_OR_RETURN(const Doors doors, OpenDoors(settings, reloads));

  // pods, before anybody asks for them
  ASSIGN_OR_RETURN(const std::unique_ptr<Cluster> cluster, StartCluster(settings, clock, registry));

  // store
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenStore(PlaceOf(settings)));
  ASSIGN_OR_RETURN(const std::unique_ptr<ProfileStore> profiles,
                   OpenProfileStore(PlaceOf(settings)));
  ASSIGN_OR_RETURN(SeriesPods pods_of_series, PodsOfSeries(settings, cluster.get()));
  SeriesTable series(clock, settings.max_series_per_node, std::move(pods_of_series));
  CommitSignal commits;

  // the other apiservers on the store, before anything that only one of them does
  KnownIssues issues(*store, registry);
  RETURN_IF_ERROR(issues.Load(settings.known_issues_file));
  Nodes nodes(clock, *store);
  RETURN_IF_ERROR(nodes.Load());
  CommitSignal shared_tasks;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Replicas> replicas,
      StartReplicas(settings, {nodes, series, commits, shared_tasks,
                               [&issues] { issues.Refresh().IgnoreError(); }, registry}));
  const std::function<bool()> turn = TurnOf(replicas.get());
  const Janitor janitor(StoresOf(settings, *store, *profiles, turn), clock, registry);

  // sinks, before the first event
  SinkMetrics sink_metrics(registry);
  ASSIGN_OR_RETURN(const std::vector<std::unique_ptr<SinkFollower>> followers,
                   StartSinks(settings, {*store, *store, commits, sink_metrics, turn}));

  // configuration and tasks, before the first node connects
  ASSIGN_OR_RETURN(const std::unique_ptr<LiveConfig> config,
                   LiveConfig::Start(*store, nodes, clock, registry));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<Tasks> tasks,
      StartTasks(settings, {clock, store->tasks(), *store, *profiles, nodes, commits, registry,
                            TaskSharing{replicas ? &shared_tasks : nullptr, turn}}));
  ASSIGN_OR_RETURN(const std::unique_ptr<IngestServer> ingest,
                   StartIngest(settings, doors,
                               {clock, *store, *profiles, *store, nodes, series, commits, registry,
                                &issues, cluster ? &cluster->pods() : nullptr, replicas.get()}));

  // query
  ASSIGN_OR_RETURN(const Console console, OpenConsole(settings));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<ApiServer> api,
      StartApi(settings, doors,
               {*store, *profiles, nodes, *config, issues, *tasks, series, commits, registry, clock,
                ChecksOf(clock, *ingest, *store), console, replicas.get()}));
  RETURN_IF_ERROR(Announce(settings, replicas.get(), api->address(), ingest->address()));
  ServeUntilSignal(signals, *ingest, *api);
  return absl::OkStatus();
}

}  // namespace
}  // namespace huatuo

int main(int argc, char** argv) {
  if (huatuo::IsTokenCommand(argc, argv)) return huatuo::RunTokenCommand(argc, argv);
  return huatuo::RunProcess(huatuo::LoadSettings, huatuo::Run, argc, argv);
}
