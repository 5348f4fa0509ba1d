// JSON as text, from front to back: for what is written thousands of times a second and never
// looked at as a tree. Everything else is made with Boost.JSON, which also writes here what is not
// plain ASCII.
//
// Whoever writes sees to it that objects and arrays are ended and that no key comes twice. Not
// thread-safe.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace huatuo {

class JsonText {
 public:
  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }

  // The next value is that of `key`.
  void Key(std::string_view key);

  // Bytes that are not UTF-8 become U+FFFD.
  void Text(std::string_view text);
  void Uint(uint64_t number);
  void Sint(int64_t number);
  // With a point or an exponent, as readers that learn a field's type from its first value need it;
  // null when it is not finite: JSON cannot say it.
  void Number(double number);
  void Flag(bool flag) { Word(flag ? "true" : "false"); }
  void Null() { Word("null"); }

  // A text that comes in parts.
  void BeginText();
  void Part(std::string_view text);
  void NewLine() { Append("\\n"); }
  void Hex(uint64_t number);  // "0x1f"
  void EndText();

  // All that was written so far.
  std::string_view text() const { return {text_.data(), text_.size()}; }

 private:
  void Begin(char bracket);
  void End(char bracket);
  void Separate();
  void Word(std::string_view word);
  void Append(std::string_view text) { text_.append(text.data(), text.data() + text.size()); }

  fmt::basic_memory_buffer<char, 8 << 10> text_;  // most documents need no other memory
  bool comma_ = false;                            // before the next key or value
};

}  // namespace huatuo
