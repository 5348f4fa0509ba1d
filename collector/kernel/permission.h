// Why the kernel refused BPF, where the errno alone says "Operation not permitted".
#pragma once

#include <string>

namespace huatuo {

// What this process lacks or what the machine forbids, in a few words: "without CAP_BPF". Empty
// when nothing stands out, or `error` has nothing to do with permission.
std::string WhyRefused(int error);

}  // namespace huatuo
