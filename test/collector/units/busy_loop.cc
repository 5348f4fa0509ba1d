// Spends its life in one function whose name a profile must find.
#include <cstdint>

namespace busy {

__attribute__((noinline)) uint64_t SpinInKnownFunction(volatile uint64_t& turns) {
  while (turns != ~uint64_t{0}) turns = turns + 1;
  return turns;
}

__attribute__((noinline)) uint64_t Caller(volatile uint64_t& turns) {
  return SpinInKnownFunction(turns) + turns;
}

}  // namespace busy

int main() {
  volatile uint64_t turns = 0;
  return static_cast<int>(busy::Caller(turns) & 1);
}
