// The host name that a process sees.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "collector/root.h"

namespace huatuo {

// The UTS host name of process `pid`, or nullopt when it is gone or this process may not know.
// Needs CAP_SYS_ADMIN. Enters the namespace in a thread made for that, which then ends.
//
// The other ways do not answer the question: /proc/<pid>/root/proc/sys/kernel/hostname shows the
// namespace of the *reader*, /etc/hostname and $HOSTNAME are files and words that the container
// can change at will and often lacks.
std::optional<std::string> UtsName(const Root& root, pid_t pid);

}  // namespace huatuo
