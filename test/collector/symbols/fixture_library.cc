// A library whose functions the tests look for.
namespace fixture {

__attribute__((noinline, used)) static int Local(int x) { return x * 3; }

__attribute__((noinline)) int Exported(int x) { return Local(x) + 1; }

}  // namespace fixture
