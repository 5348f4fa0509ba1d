#include "apiserver/store/postgres_schema.h"

#include <fmt/format.h>

#include <iterator>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

constexpr int64_t kOldestServer = 130000;

// "HUATUO": the key of the lock, in the database.
constexpr int64_t kLock = 0x48554154554f;

// Migration n brings the version from n to n + 1. Released ones are never edited.
//
// The blob of a profile is compressed already. GIN's pending list is kept short, since each query
// reads all of it.
constexpr const char* kMigrations[] = {R"(
CREATE TABLE counter(kind text PRIMARY KEY, position bigint NOT NULL);
INSERT INTO counter VALUES('event', 0), ('rejected', 0), ('profile', 0), ('task', 0);
CREATE TABLE partition(
  kind text NOT NULL, day bigint NOT NULL, name text NOT NULL,
  rows bigint NOT NULL, live_bytes bigint NOT NULL, free_bytes bigint NOT NULL,
  PRIMARY KEY(kind, day));

CREATE TABLE event(
  position bigint NOT NULL,
  sequence bigint NOT NULL,
  tracer_time_ns bigint NOT NULL,
  uploaded_ns bigint NOT NULL,
  bytes integer NOT NULL,
  tracer_id text COLLATE "C" NOT NULL,
  tracer_name text COLLATE "C" NOT NULL,
  task_id text COLLATE "C" NOT NULL,
  node text COLLATE "C" NOT NULL,
  postings bigint[] NOT NULL,
  subjects text COLLATE "C" NOT NULL,
  document text COLLATE "C" NOT NULL) PARTITION BY RANGE(uploaded_ns);
CREATE INDEX event_position ON event(position);
CREATE INDEX event_uploaded ON event(uploaded_ns);
CREATE INDEX event_tracer_id ON event(tracer_id);
CREATE INDEX event_tracer_time ON event(tracer_time_ns);
CREATE INDEX event_postings ON event USING gin(postings) WITH (gin_pending_list_limit = 1024);

CREATE TABLE rejected(
  position bigint NOT NULL,
  sequence bigint NOT NULL,
  uploaded_ns bigint NOT NULL,
  bytes integer NOT NULL,
  node text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  entry text COLLATE "C" NOT NULL) PARTITION BY RANGE(uploaded_ns);
CREATE INDEX rejected_position ON rejected(position);
CREATE INDEX rejected_uploaded ON rejected(uploaded_ns, position);
CREATE INDEX rejected_node ON rejected(node, uploaded_ns, position);

CREATE TABLE profile(
  position bigint NOT NULL,
  sequence bigint NOT NULL,
  time_ns bigint NOT NULL,
  duration_ns bigint NOT NULL,
  uploaded_ns bigint NOT NULL,
  bytes integer NOT NULL,
  blob_bytes integer NOT NULL,
  id text COLLATE "C" NOT NULL,
  unit text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  task_id text COLLATE "C" NOT NULL,
  node text COLLATE "C" NOT NULL,
  postings bigint[] NOT NULL,
  containers text COLLATE "C" NOT NULL,
  document text COLLATE "C" NOT NULL,
  blob bytea NOT NULL) PARTITION BY RANGE(uploaded_ns);
ALTER TABLE profile ALTER COLUMN blob SET STORAGE EXTERNAL;
CREATE INDEX profile_position ON profile(position);
CREATE INDEX profile_uploaded ON profile(uploaded_ns);
CREATE INDEX profile_id ON profile(id);
CREATE INDEX profile_postings ON profile USING gin(postings) WITH (gin_pending_list_limit = 256);

CREATE TABLE gap(
  node text COLLATE "C" NOT NULL, first bigint NOT NULL, last bigint NOT NULL,
  cause text COLLATE "C" NOT NULL, from_ns bigint NOT NULL, to_ns bigint NOT NULL,
  uploaded_ns bigint NOT NULL);
CREATE INDEX gap_uploaded ON gap(uploaded_ns);
CREATE TABLE high_water(
  kind text NOT NULL, node text COLLATE "C" NOT NULL, epoch text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL, uploaded_ns bigint NOT NULL,
  PRIMARY KEY(kind, node, epoch));
CREATE TABLE fact(
  kind text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, value text COLLATE "C" NOT NULL,
  PRIMARY KEY(kind, key));
CREATE TABLE task(
  position bigint PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  version bigint NOT NULL,
  tool text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  ended_ns bigint NOT NULL,
  document text COLLATE "C" NOT NULL);
CREATE INDEX task_ended ON task(ended_ns);

CREATE FUNCTION json_or_null(document text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN document::jsonb;
EXCEPTION WHEN others THEN
  RETURN NULL;
END $$;
CREATE VIEW event_json AS
  SELECT position, sequence, tracer_id, tracer_name, task_id, node,
         to_timestamp(tracer_time_ns / 1e9) AS tracer_time,
         to_timestamp(uploaded_ns / 1e9) AS uploaded_time,
         tracer_time_ns, uploaded_ns, json_or_null(document) AS document
  FROM event;
)",
                                       R"(
CREATE TABLE replica(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL, http text NOT NULL DEFAULT '', grpc text NOT NULL DEFAULT '',
  started timestamptz NOT NULL DEFAULT now(), expires timestamptz NOT NULL);
CREATE TABLE claim(
  node text COLLATE "C" PRIMARY KEY,
  replica bigint, number bigint NOT NULL, revision bigint NOT NULL DEFAULT 0,
  identity text COLLATE "C" NOT NULL, hostname text NOT NULL,
  since timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 70);
CREATE TABLE mail(
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  recipient bigint NOT NULL, sender bigint NOT NULL, node text COLLATE "C" NOT NULL,
  reply boolean NOT NULL, message text COLLATE "C" NOT NULL,
  sent timestamptz NOT NULL DEFAULT now());
)"};

absl::Status CheckServer(PgSession& session) {
  ASSIGN_OR_RETURN(const PgResult server,
                   session.Once("SELECT current_setting('server_version_num')::int, "
                                "current_setting('server_encoding')"));
  if (server.Int(0, 0) < kOldestServer) {
    return FailedPrecondition(fmt::format(
        "postgres: version {} is too old: accepted are 13 and newer", server.Int(0, 0) / 10000));
  }
  if (server.Raw(0, 1) == "UTF8") return absl::OkStatus();
  return FailedPrecondition(
      fmt::format("postgres: the database's encoding is {}: accepted is UTF8", server.Raw(0, 1)));
}

absl::StatusOr<int64_t> Version(PgSession& session) {
  RETURN_IF_ERROR(
      session.Once("CREATE TABLE IF NOT EXISTS huatuo_schema(version bigint NOT NULL)").status());
  ASSIGN_OR_RETURN(const PgResult version,
                   session.Once("SELECT coalesce(max(version), 0) FROM huatuo_schema"));
  return version.Int(0, 0);
}

}  // namespace

absl::Status MigratePostgres(PgSession& session) {
  constexpr auto kLast = static_cast<int64_t>(std::size(kMigrations));
  RETURN_IF_ERROR(CheckServer(session));
  ASSIGN_OR_RETURN(PgTransaction transaction,
                   PgTransaction::Begin(session, PgTransaction::Kind::kWrite));
  RETURN_IF_ERROR(session.Once(fmt::format("SELECT pg_advisory_xact_lock({})", kLock)).status());
  ASSIGN_OR_RETURN(const int64_t version, Version(session));
  if (version > kLast) {
    return FailedPrecondition(
        fmt::format("postgres: the tables were made by a newer version (schema {}, this one knows "
                    "{}): start that version, or name another database",
                    version, kLast));
  }
  for (int64_t i = version; i < kLast; ++i) {
    RETURN_IF_ERROR(session.Once(kMigrations[i]).status());
    RETURN_IF_ERROR(
        session.Once(fmt::format("INSERT INTO huatuo_schema VALUES({})", i + 1)).status());
  }
  return transaction.Commit();
}

}  // namespace huatuo
