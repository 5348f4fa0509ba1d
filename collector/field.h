// Field tables: what of a record a reader gets to see, checked against the C struct by the
// compiler.
//
//   constexpr auto kFields = FieldsOf<oom_event>(
//       F<&oom_event::victim_tgid>("victim_pid", "Process the kernel chose to kill."),
//       Hidden<&oom_event::memcg>(),
//       Derived<&Scope>("scope", "…", v1::Field::TEXT),
//       Late("memory_stat", "…", v1::Field::MAP));
//
// A struct with padding, or with a byte that no entry covers, does not build: no kernel stack byte
// leaks out unnoticed, and no field is forgotten. (FieldsOf covers the struct's `header` by
// itself.) Records that user space makes (no C struct, e.g. with std::string) use TableOf, which
// checks nothing.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bpf/event.h"
#include "collector/context.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

struct Field {
  std::string_view name;  // empty: covered, but not shown
  std::string_view help;
  v1::Field::Type type = v1::Field::TYPE_UNSPECIFIED;
  v1::Value (*read)(const void* record, Context& context) = nullptr;  // null: set by `complete`
  std::span<const Field> fields = {};                                 // of a LIST or RECORD
  size_t bytes = 0;                                                   // of the struct
};

// ---- values

inline v1::Value Unknown() { return {}; }
v1::Value UintValue(uint64_t value);
v1::Value SintValue(int64_t value);
v1::Value NumberValue(double value);
v1::Value FlagValue(bool value);
v1::Value TextValue(std::string_view value);
// From the frame whose address is `from` on; when none is, without those at the top that are the
// probe's own. Unknown when there are no frames.
v1::Value StackValue(const event_stack& stack, uint64_t from, Context& context);

template <typename T>
v1::Value ValueOf(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return FlagValue(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return NumberValue(value);
  } else if constexpr (std::is_unsigned_v<T>) {
    return UintValue(value);
  } else if constexpr (std::is_integral_v<T>) {
    return SintValue(value);
  } else if constexpr (std::is_array_v<T>) {  // char[N], NUL-terminated or full
    return TextValue({value, strnlen(value, sizeof(value))});
  } else {
    return TextValue(value);
  }
}

template <typename T>
v1::Value ValueOf(const std::optional<T>& value) {
  return value.has_value() ? ValueOf(*value) : Unknown();
}

// ---- table entries

template <typename T>
struct MemberOf;
template <typename C, typename M>
struct MemberOf<M C::*> {
  using Class = C;
  using Member = M;
};

template <typename T>
struct Unwrapped {
  using Type = T;
};
template <typename T>
struct Unwrapped<std::optional<T>> {
  using Type = T;
};

template <typename Member>
consteval v1::Field::Type TypeOf() {
  using T = typename Unwrapped<Member>::Type;
  if (std::is_same_v<T, bool>) return v1::Field::BOOL;
  if (std::is_floating_point_v<T>) return v1::Field::DOUBLE;
  if (std::is_unsigned_v<T>) return v1::Field::UINT;
  if (std::is_integral_v<T>) return v1::Field::SINT;
  return v1::Field::TEXT;
}

template <auto M>
v1::Value ReadMember(const void* record, Context&) {
  using Class = typename MemberOf<decltype(M)>::Class;
  return ValueOf(static_cast<const Class*>(record)->*M);
}

// A member as it is: numbers by their C type, char arrays as text.
template <auto M>
consteval Field F(std::string_view name, std::string_view help) {
  using Member = typename MemberOf<decltype(M)>::Member;
  return {.name = name,
          .help = help,
          .type = TypeOf<Member>(),
          .read = &ReadMember<M>,
          .fields = {},
          .bytes = sizeof(Member)};
}

// A member that only derived fields use.
template <auto M>
consteval Field Hidden() {
  return {.name = {},
          .help = {},
          .type = {},
          .read = nullptr,
          .fields = {},
          .bytes = sizeof(typename MemberOf<decltype(M)>::Member)};
}

template <typename Fn>
struct RecordOf;
template <typename T>
struct RecordOf<v1::Value (*)(const T&, Context&)> {
  using Type = T;
};

template <auto Fn>
v1::Value ReadDerived(const void* record, Context& context) {
  using T = typename RecordOf<decltype(Fn)>::Type;
  return Fn(*static_cast<const T*>(record), context);
}

// A function of the record and the context: `v1::Value Fn(const T&, Context&)`.
template <auto Fn>
consteval Field Derived(std::string_view name, std::string_view help, v1::Field::Type type,
                        std::span<const Field> fields = {}) {
  return {.name = name,
          .help = help,
          .type = type,
          .read = &ReadDerived<Fn>,
          .fields = fields,
          .bytes = 0};
}

// Set by the event type's `complete`.
consteval Field Late(std::string_view name, std::string_view help, v1::Field::Type type,
                     std::span<const Field> fields = {}) {
  return {.name = name, .help = help, .type = type, .read = nullptr, .fields = fields, .bytes = 0};
}

// ---- tables

template <typename... Fields>
consteval auto TableOf(Fields... fields) {
  return std::array<Field, sizeof...(Fields)>{fields...};
}

template <typename T, typename... Fields>
consteval auto FieldsOf(Fields... fields) {
  static_assert(std::has_unique_object_representations_v<T>,
                "the struct has padding: kernel memory would leak out");
  const std::array<Field, sizeof...(Fields)> table{fields...};
  size_t covered = sizeof(event_header);
  for (const Field& field : table) covered += field.bytes;
  // Not a constant expression, so it does not build.
  if (covered != sizeof(T)) throw "a byte of the struct is in no field, or in two";
  return table;
}

// The shown fields of `table`, read from `record`, in order.
v1::Record ReadRecord(std::span<const Field> table, const void* record, Context& context);

// Rows of a nested table.
template <typename T>
v1::Value ListValue(const std::vector<T>& rows, std::span<const Field> table, Context& context) {
  v1::Value value;
  v1::List& list = *value.mutable_list();
  for (const T& row : rows) {
    *list.add_values()->mutable_record() = ReadRecord(table, &row, context);
  }
  return value;
}

}  // namespace huatuo
