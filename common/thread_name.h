// What a thread is called in top -H, perf and /proc.
#pragma once

namespace huatuo {

// Of the calling thread; at most 15 bytes, more are cut off.
void NameThread(const char* name);

}  // namespace huatuo
