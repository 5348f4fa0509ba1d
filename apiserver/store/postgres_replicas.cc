#include "apiserver/store/postgres_replicas.h"

#include <fmt/format.h>

#include "apiserver/store/postgres_text.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Of claims and mail; events and tasks have those of the store.
constexpr size_t kConnections = 4;

// A session that waits for news must find out soon that it waits for nothing.
constexpr std::chrono::seconds kPatience(5);

PostgresOptions Few(PostgresOptions options) {
  options.connections = kConnections;
  options.timeout = std::min<std::chrono::milliseconds>(options.timeout, kPatience);
  return options;
}

std::string Notify(std::string_view kind) {
  return fmt::format("pg_notify('huatuo', '{} {}')", kind, PostgresProcessName());
}

std::string Interval(std::chrono::milliseconds time) {
  return fmt::format("interval '{} milliseconds'", time.count());
}

}  // namespace

PostgresReplicas::PostgresReplicas(const PostgresOptions& options, std::chrono::milliseconds lease)
    : options_(Few(options)),
      lease_(lease),
      pool_(options_),
      watch_(options_.timeout + kPatience) {}

absl::StatusOr<int64_t> PostgresReplicas::Register(const std::string& name) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(
      const PgResult made,
      session->Kept(fmt::format("WITH made AS (INSERT INTO replica(name, expires) "
                                "VALUES($1, now() + {}) RETURNING id) SELECT id, {} FROM made",
                                Interval(lease_), Notify("claim")),
                    {EncodeText(name)}));
  return made.Int(0, 0);
}

absl::Status PostgresReplicas::Announce(int64_t id, const std::string& http,
                                        const std::string& grpc) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return session
      ->Kept("UPDATE replica SET http = $2, grpc = $3 WHERE id = $1::bigint",
             {std::to_string(id), EncodeText(http), EncodeText(grpc)})
      .status();
}

absl::Status PostgresReplicas::Leave(int64_t id) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return session
      ->Kept(fmt::format("WITH gone AS (DELETE FROM replica WHERE id = $1::bigint RETURNING id), "
                         "freed AS (UPDATE claim SET replica = NULL WHERE replica = $1::bigint) "
                         "SELECT {} FROM gone",
                         Notify("claim")),
             {std::to_string(id)})
      .status();
}

absl::StatusOr<PostgresReplicas::Renewal> PostgresReplicas::Renew(PgSession& session, int64_t id) {
  ASSIGN_OR_RETURN(
      const PgResult row,
      session.Kept(fmt::format("UPDATE replica SET expires = now() + {} WHERE id = $1::bigint "
                               "RETURNING (SELECT position FROM counter WHERE kind = 'event')",
                               Interval(lease_)),
                   {std::to_string(id)}));
  if (row.empty()) return Renewal{};
  return Renewal{true, static_cast<uint64_t>(row.Int(0, 0))};
}

absl::StatusOr<std::vector<ReplicaRow>> PostgresReplicas::Alive(PgSession& session) {
  ASSIGN_OR_RETURN(const PgResult rows,
                   session.Kept(fmt::format(
                       "SELECT id, name, http, grpc, (extract(epoch FROM started) * 1e9)::bigint, "
                       "(extract(epoch FROM now() + {} - expires) * 1e3)::bigint, "
                       "(SELECT count(*) FROM claim c WHERE c.replica = r.id) "
                       "FROM replica r WHERE expires > now() ORDER BY id",
                       Interval(lease_))));
  std::vector<ReplicaRow> alive;
  for (size_t i = 0; i < rows.size(); ++i) {
    alive.push_back({rows.Int(i, 0), rows.Text(i, 1), rows.Text(i, 2), rows.Text(i, 3),
                     rows.Int(i, 4), rows.Int(i, 5), static_cast<uint64_t>(rows.Int(i, 6))});
  }
  return alive;
}

absl::Status PostgresReplicas::Reap(PgSession& session) {
  RETURN_IF_ERROR(
      session
          .Kept(fmt::format("WITH gone AS (DELETE FROM replica WHERE expires < now() - {} "
                            "RETURNING id), freed AS (UPDATE claim SET replica = NULL "
                            "WHERE replica IN (SELECT id FROM gone)) SELECT {} FROM gone",
                            Interval(lease_ / 2), Notify("claim")))
          .status());
  return session.Kept("DELETE FROM mail WHERE sent < now() - interval '1 minute'").status();
}

absl::StatusOr<PostgresReplicas::Taken> PostgresReplicas::Take(int64_t id, const std::string& node,
                                                               const std::string& identity,
                                                               const std::string& hostname,
                                                               bool free) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  ASSIGN_OR_RETURN(
      const PgResult taken,
      session->Kept(
          fmt::format(
              "WITH taken AS (INSERT INTO claim AS c(node, replica, number, identity, hostname) "
              "SELECT $1, r.id, 1, $3, $4 FROM replica r WHERE r.id = $2::bigint "
              "ON CONFLICT (node) DO UPDATE SET replica = excluded.replica, number = c.number + 1, "
              "identity = excluded.identity, hostname = excluded.hostname, since = now() "
              "WHERE c.replica IS NULL OR c.identity = excluded.identity "
              "OR ($5::boolean AND c.replica = excluded.replica) "
              "OR NOT EXISTS(SELECT 1 FROM replica o WHERE o.id = c.replica AND o.expires > now()) "
              "RETURNING number) SELECT number, {} FROM taken",
              Notify("claim")),
          {EncodeText(node), std::to_string(id), EncodeText(identity), EncodeText(hostname),
           free ? "true" : "false"}));
  if (!taken.empty()) return Taken{static_cast<uint64_t>(taken.Int(0, 0)), ""};
  ASSIGN_OR_RETURN(
      const PgResult holder,
      session->Kept("SELECT c.hostname, r.name, to_char(c.since AT TIME ZONE 'UTC', "
                    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM claim c "
                    "JOIN replica r ON r.id = c.replica WHERE c.node = $1 AND c.identity <> $2",
                    {EncodeText(node), EncodeText(identity)}));
  if (holder.empty()) {
    return Unavailable(fmt::format("node {}: its claim has just changed, try again", node));
  }
  return Taken{0, fmt::format("node {}: another collector of this name, on host {}, is connected "
                              "to apiserver {} since {}: give each a name of its own (node)",
                              node, holder.Text(0, 0), holder.Text(0, 1), holder.Text(0, 2))};
}

absl::Status PostgresReplicas::Release(
    PgSession& session, int64_t id, const std::vector<std::pair<std::string, uint64_t>>& claims) {
  std::vector<std::string> nodes;
  std::vector<int64_t> numbers;
  for (const auto& [node, number] : claims) {
    nodes.push_back(node);
    numbers.push_back(static_cast<int64_t>(number));
  }
  return session
      .Kept(
          fmt::format("WITH freed AS (UPDATE claim c SET replica = NULL FROM unnest($2::text[], "
                      "$3::bigint[]) w(node, number) WHERE c.node = w.node AND c.number = w.number "
                      "AND c.replica = $1::bigint RETURNING 1) SELECT {} FROM freed LIMIT 1",
                      Notify("claim")),
          {std::to_string(id), TextArray(nodes), IntArray(numbers)})
      .status();
}

absl::Status PostgresReplicas::Revise(int64_t id, const std::vector<std::string>& nodes) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return session
      ->Kept(fmt::format("WITH revised AS (UPDATE claim SET revision = revision + 1 "
                         "WHERE node = ANY($2::text[]) AND (replica = $1::bigint OR replica IS "
                         "NULL) RETURNING 1) SELECT {} FROM revised LIMIT 1",
                         Notify("claim")),
             {std::to_string(id), TextArray(nodes)})
      .status();
}

absl::StatusOr<std::vector<ClaimRow>> PostgresReplicas::Claims(PgSession& session) {
  ASSIGN_OR_RETURN(const PgResult rows,
                   session.Kept("SELECT node, replica, number, revision FROM claim"));
  std::vector<ClaimRow> claims;
  claims.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    claims.push_back({rows.Text(i, 0), rows.Int(i, 1), static_cast<uint64_t>(rows.Int(i, 2)),
                      static_cast<uint64_t>(rows.Int(i, 3))});
  }
  return claims;
}

absl::Status PostgresReplicas::Post(const MailRow& mail) {
  ASSIGN_OR_RETURN(const PostgresPool::Lease session, pool_.Borrow());
  return session
      ->Kept(fmt::format("WITH sent AS (INSERT INTO mail(recipient, sender, node, reply, message) "
                         "VALUES($1::bigint, $2::bigint, $3, $4::boolean, $5) RETURNING 1) "
                         "SELECT {} FROM sent",
                         Notify("mail")),
             {std::to_string(mail.recipient), std::to_string(mail.sender), EncodeText(mail.node),
              mail.reply ? "true" : "false", EncodeText(mail.message)})
      .status();
}

absl::StatusOr<std::vector<MailRow>> PostgresReplicas::Fetch(PgSession& session, int64_t id) {
  ASSIGN_OR_RETURN(
      const PgResult rows,
      session.Kept("WITH mine AS (DELETE FROM mail WHERE recipient = $1::bigint RETURNING *) "
                   "SELECT sender, node, reply::int, message FROM mine ORDER BY position",
                   {std::to_string(id)}));
  std::vector<MailRow> mail;
  for (size_t i = 0; i < rows.size(); ++i) {
    mail.push_back({id, rows.Int(i, 0), rows.Text(i, 1), rows.Int(i, 2) != 0, rows.Text(i, 3)});
  }
  return mail;
}

absl::StatusOr<std::unique_ptr<PgSession>> PostgresReplicas::Listen(
    std::function<void(std::string kind)> hear) {
  ASSIGN_OR_RETURN(const std::string connect, ConnectString(options_));
  ASSIGN_OR_RETURN(std::unique_ptr<PgSession> session, PgSession::Open(connect, watch_));
  RETURN_IF_ERROR(session->Listen("huatuo", [hear = std::move(hear)](const std::string& payload) {
    const size_t space = payload.find(' ');
    if (payload.substr(space + 1) != PostgresProcessName()) hear(payload.substr(0, space));
  }));
  return session;
}

}  // namespace huatuo
