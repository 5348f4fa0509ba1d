// The tables of the PostgreSQL stores, in the first schema of the connection's search_path.
//
//   event      one row an event; `postings` are those of filter.h, `subjects` of subjects.h
//   rejected   what can never be an event
//   profile    one row a profile with its blob, which lies apart from the row by itself (TOAST)
//   partition  the parts of the three tables above: one for each UTC day of uploaded_ns, with how
//              many rows and bytes it holds (postgres_days.h)
//   counter    of each kind, the last position given; its row is the lock of whoever writes that
//              kind (postgres_writer.h)
//   high_water of each (kind, node, epoch), written in the transaction of its rows
//   gap        missing profiles;  fact, task
//   event_json a view of events for people who ask in SQL, with the document as jsonb
//
// Texts are those of postgres_text.h and sort by their bytes. Several apiservers may share the
// tables: nothing that matters is kept in a process alone.
#pragma once

#include "absl/status/status.h"
#include "apiserver/store/postgres.h"

namespace huatuo {

// Creates the tables or brings them up to date; of several at a time, one does it and the others
// wait. FailedPrecondition when a newer program made them, the server is older than 13, or the
// database is not UTF-8.
absl::Status MigratePostgres(PgSession& session);

}  // namespace huatuo
