// SIGINT and SIGTERM as something that main waits for.
#pragma once

#include <csignal>

namespace huatuo {

// Blocks both in this and all later threads; call before any other thread exists. The result is for
// sigwait.
sigset_t BlockSignals();

}  // namespace huatuo
