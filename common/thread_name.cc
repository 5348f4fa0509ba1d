#include "common/thread_name.h"

#include <sys/prctl.h>

namespace huatuo {

void NameThread(const char* name) { prctl(PR_SET_NAME, name); }

}  // namespace huatuo
