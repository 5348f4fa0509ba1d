// What says who may come in: the files named by the settings, read again when they change.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "apiserver/access/api_tokens.h"
#include "apiserver/access/certificates.h"
#include "apiserver/access/reload.h"
#include "apiserver/ingest/service.h"
#include "apiserver/query/api_server.h"
#include "apiserver/settings.h"

namespace huatuo {

// Each is null when no file is named for it.
struct Doors {
  std::shared_ptr<const Live<Certificates>> certificates;
  std::shared_ptr<const Live<ApiTokens>> api_tokens;
  std::shared_ptr<const Live<JoinTokens>> join_tokens;
};

// The error of the first file that cannot be used, with the name of its setting. `reloads` must
// outlive the doors.
absl::StatusOr<Doors> OpenDoors(const Settings& settings, Reloads& reloads);

// The part of the options that is about who comes in, and how much of it. `clock` must outlive
// them.
void SetDoors(const Settings& settings, const Doors& doors, const Clock& clock,
              ApiOptions& options);
void SetDoors(const Settings& settings, const Doors& doors, IngestOptions& options);

}  // namespace huatuo
