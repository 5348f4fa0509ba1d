#include "collector/field.h"

#include <algorithm>
#include <iterator>

#include "common/utf8.h"

namespace huatuo {

v1::Value UintValue(uint64_t value) {
  v1::Value out;
  out.set_uint(value);
  return out;
}

v1::Value SintValue(int64_t value) {
  v1::Value out;
  out.set_sint(value);
  return out;
}

v1::Value NumberValue(double value) {
  v1::Value out;
  out.set_number(value);
  return out;
}

v1::Value FlagValue(bool value) {
  v1::Value out;
  out.set_flag(value);
  return out;
}

v1::Value TextValue(std::string_view value) {
  v1::Value out;
  *out.mutable_text() = Utf8(value);
  return out;
}

namespace {

// What calls a BPF program, from the trampoline or the tracepoint on, and the program itself.
bool OfProbe(const v1::Frame& frame) {
  static constexpr std::string_view kCallers[] = {"bpf_trace_run", "__bpf_trace_", "__traceiter_"};
  return frame.module() == "bpf" ||
         std::any_of(std::begin(kCallers), std::end(kCallers),
                     [&](std::string_view name) { return frame.symbol().starts_with(name); });
}

}  // namespace

v1::Value StackValue(const event_stack& stack, uint64_t from, Context& context) {
  const auto end = std::find(std::begin(stack.frame), std::end(stack.frame), 0);
  const auto found = std::find(std::begin(stack.frame), end, from);
  v1::Value out;
  for (auto at = found == end ? std::begin(stack.frame) : found; at != end; ++at) {
    v1::Frame frame = context.Symbolize(*at);
    if (out.has_stack() || !OfProbe(frame)) *out.mutable_stack()->add_frames() = std::move(frame);
  }
  return out;
}

v1::Record ReadRecord(std::span<const Field> table, const void* record, Context& context) {
  v1::Record out;
  for (const Field& field : table) {
    if (field.name.empty()) continue;
    v1::Value& value = *out.add_values();
    if (field.read != nullptr) value = field.read(record, context);
  }
  return out;
}

}  // namespace huatuo
