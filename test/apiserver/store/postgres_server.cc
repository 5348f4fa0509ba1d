#include "test/apiserver/store/postgres_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "apiserver/store/postgres.h"

namespace huatuo {
namespace {

constexpr int kCannotRun = 77;
constexpr auto kPatience = std::chrono::seconds(60);

std::string FirstLine(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path) >> std::ws, line);
  return line;
}

void Exec(const std::string& folder) {
  const std::string log = folder + "/server.log";
  const int out = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  setpgid(0, 0);
  // A lack of memory for huge tables is no subject of these tests.
  execl(TEST_DIR "/../../postgres.sh", "postgres.sh", folder.c_str(), "shared_buffers=64MB",
        "max_connections=50", nullptr);
  _exit(127);
}

absl::StatusOr<std::unique_ptr<PgSession>> Connect(const PostgresOptions& options,
                                                   StatementWatch& watch) {
  return PgSession::Open(Get(ConnectString(options)), watch);
}

}  // namespace

PostgresServer* PostgresServer::Shared() {
  static std::string reason;
  static const std::unique_ptr<PostgresServer> server(new PostgresServer(reason));
  if (reason.empty()) return server.get();
  fmt::print("skipped: {}\n", reason);
  return nullptr;
}

PostgresServer::PostgresServer() { Start(); }

PostgresServer::PostgresServer(std::string& reason) { Run(reason); }

PostgresServer::~PostgresServer() { Crash(); }

void PostgresServer::Start() {
  std::string reason;
  Run(reason);
  INFO(reason);
  REQUIRE(reason.empty());
}

void PostgresServer::Run(std::string& reason) {
  process_ = fork();
  if (process_ == 0) Exec(folder_.path());
  StatementWatch watch(kPatience);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!Connect(Place(""), watch).ok()) {
    int status = 0;
    if (waitpid(process_, &status, WNOHANG) == process_) {
      process_ = -1;
      reason = FirstLine(folder_ / "server.log");
      REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == kCannotRun));
      return;
    }
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void PostgresServer::Crash() {
  if (process_ < 0) return;
  kill(process_, SIGCONT);
  kill(process_, SIGQUIT);  // PostgreSQL's immediate shutdown
  waitpid(process_, nullptr, 0);
  process_ = -1;
}

// Its children have groups of their own.
void PostgresServer::Signal(int number) const {
  const std::string tasks = fmt::format("/proc/{0}/task/{0}/children", process_);
  std::ifstream children(tasks);
  kill(process_, number);
  for (int child = 0; children >> child;) kill(child, number);
}

PostgresOptions PostgresServer::Place(const std::string& settings) const {
  PostgresOptions options;
  options.url =
      fmt::format("host={} user=huatuo dbname=postgres options='{}'", folder_.path(), settings);
  return options;
}

PostgresOptions PostgresServer::NewPlace(const std::string& settings) {
  const std::string schema = fmt::format("s{}", ++schemas_);
  StatementWatch watch(kPatience);
  REQUIRE(Get(Connect(Place(""), watch))->Once("CREATE SCHEMA " + schema).ok());
  return Place(fmt::format("-c search_path={} {}", schema, settings));
}

}  // namespace huatuo
