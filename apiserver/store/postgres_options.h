// Where the database is and who we are there.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace huatuo {

struct PostgresOptions {
  // postgresql://user@host:port/database?sslmode=…, or key=value words, as libpq takes them. What
  // it does not say comes from the PG… environment and the passfile. It holds no password, since
  // everybody on the machine can read a command line.
  std::string url;
  // The first line of it is the password; read at each connect, so that it may change. Empty: none.
  std::string password_file;
  size_t connections = 8;                    // at most; who finds none waits for one
  std::chrono::milliseconds timeout{30000};  // of one statement
};

// What libpq is to connect with: the url's settings, the password, and limits of ours where the url
// sets none. It is a secret, never to be logged. InvalidArgument when the url is none or holds a
// password; NotFound or so for the file.
absl::StatusOr<std::string> ConnectString(const PostgresOptions& options);

// The application_name of our connections, unless the url sets one: no other process has it.
const std::string& PostgresProcessName();

}  // namespace huatuo
