#include "apiserver/store/sqlite_schema.h"

namespace huatuo {
namespace {

// "HUAT": tells our file from any other SQLite database.
constexpr int64_t kApplication = 0x48554154;

// Keeps the upper pages of all indexes of some GB.
constexpr int kCacheKib = 65536;

constexpr const char* kMigrations[] = {R"(
CREATE TABLE event(
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  sequence INTEGER NOT NULL,
  tracer_time_ns INTEGER NOT NULL,
  uploaded_ns INTEGER NOT NULL,
  tracer_id TEXT NOT NULL,
  tracer_name TEXT NOT NULL,
  task_id TEXT NOT NULL,
  node TEXT NOT NULL,
  subjects TEXT NOT NULL,
  document TEXT NOT NULL);
CREATE UNIQUE INDEX event_tracer_id ON event(tracer_id);
CREATE INDEX event_tracer_time ON event(tracer_time_ns);
CREATE INDEX event_uploaded ON event(uploaded_ns);
CREATE TABLE posting(
  posting INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY(posting, position)) WITHOUT ROWID;
CREATE TABLE high_water(
  node TEXT NOT NULL, epoch TEXT NOT NULL, sequence INTEGER NOT NULL, uploaded_ns INTEGER NOT NULL,
  PRIMARY KEY(node, epoch)) WITHOUT ROWID;
CREATE TABLE rejected(
  id INTEGER PRIMARY KEY,
  node TEXT NOT NULL, sequence INTEGER NOT NULL, uploaded_ns INTEGER NOT NULL,
  reason TEXT NOT NULL, entry TEXT NOT NULL);
CREATE INDEX rejected_uploaded ON rejected(uploaded_ns);
CREATE INDEX rejected_node ON rejected(node, uploaded_ns);
CREATE TABLE fact(
  kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY(kind, key)) WITHOUT ROWID;
CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES('events', 0), ('text_mark', 0);
CREATE TABLE text_part(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);
)",
                                       // Counts by time and tracer are read from the index alone.
                                       R"(
DROP INDEX event_tracer_time;
CREATE INDEX event_tracer_time ON event(tracer_time_ns, tracer_name, node, task_id);
)",
                                       R"(
CREATE TABLE task(
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL,
  tool TEXT NOT NULL,
  state TEXT NOT NULL,
  ended_ns INTEGER NOT NULL,
  document TEXT NOT NULL);
CREATE INDEX task_ended ON task(ended_ns);
)"};

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenWriter(const std::string& path) {
  return OpenForWriting(path, {kApplication, kMigrations, kCacheKib});
}

}  // namespace huatuo
