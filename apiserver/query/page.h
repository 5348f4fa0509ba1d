// The page on `/` of a server that has no console.
#pragma once

#include "apiserver/query/http.h"

namespace huatuo {

// Self-contained HTML; its policy lets only its own script and style run, and connects to this
// server only.
const Response& PlainPage();

}  // namespace huatuo
