// GET /api/v1/self: who the server takes the caller for.
#pragma once

#include "apiserver/query/router.h"

namespace huatuo {

Route SelfRoute();

}  // namespace huatuo
