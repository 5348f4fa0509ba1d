// A real PostgreSQL for the tests of a program, by test/postgres.sh.
#pragma once

#include <memory>
#include <string>

#include "apiserver/store/postgres_options.h"
#include "test/apiserver/store/fixture.h"

namespace huatuo {

class PostgresServer {
 public:
  // The one that tests share, started at the first call and ended with the program; null, with the
  // reason printed, where none can run.
  static PostgresServer* Shared();

  // One of a test's own; it must be possible.
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A schema without tables of its own; `settings` are of its connections: "-c name=value".
  PostgresOptions NewPlace(const std::string& settings = "");

  // Ends it at once, as a crash; Start goes on with what was committed.
  void Crash();
  void Start();

  // Stops or continues all of its processes.
  void Signal(int number) const;

 private:
  explicit PostgresServer(std::string& reason);
  void Run(std::string& reason);
  PostgresOptions Place(const std::string& settings) const;

  const TempDir folder_;
  int process_ = -1;
  int schemas_ = 0;
};

}  // namespace huatuo
