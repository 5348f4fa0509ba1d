// What the settings mean for the parts of ship.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "collector/root.h"
#include "collector/settings.h"
#include "collector/ship/outbox.h"
#include "collector/ship/profile_stream.h"
#include "collector/ship/stream.h"
#include "collector/ship/targets.h"

namespace huatuo {

OutboxOptions MakeOutboxOptions(const Settings& settings, const Root& root);

// The first is chosen by the node's name.
std::shared_ptr<Targets> MakeTargets(const Settings& settings);

StreamOptions MakeStreamOptions(const Settings& settings, std::shared_ptr<Targets> targets,
                                const Root& root);

// `connected`: whether the node's first stream is, without which the server takes no profiles.
ProfileStreamOptions MakeProfileOptions(const Settings& settings, std::shared_ptr<Targets> targets,
                                        std::function<bool()> connected);

// Of "host:port"; 0 when it has none.
uint16_t PortOf(const std::string& target);

}  // namespace huatuo
