#include "common/document.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <cmath>

#include "common/utf8.h"

namespace huatuo {
namespace {

namespace json = boost::json;

json::value StackText(const v1::Stack& stack) {
  std::string text;
  for (const v1::Frame& frame : stack.frames()) {
    if (!text.empty()) text.push_back('\n');
    text += FrameText(frame);
  }
  return json::value(text);
}

json::value StackFrames(const v1::Stack& stack) {
  json::array frames;
  for (const v1::Frame& frame : stack.frames()) {
    json::object object;
    // A frame of /proc/<pid>/stack has none.
    if (frame.address() != 0) object["address"] = fmt::format("0x{:x}", frame.address());
    if (!frame.symbol().empty()) {
      object["symbol"] = frame.symbol();
      object["offset"] = frame.offset();
    }
    if (!frame.module().empty()) object["module"] = frame.module();
    frames.emplace_back(std::move(object));
  }
  return frames;
}

// The frames' twin key: `stack` -> `stack_frames`.
void Add(json::object& object, const v1::Field& field, const v1::Value& value) {
  object[field.name()] = ToJson(field, value);
  if (value.kind_case() == v1::Value::kStack) {
    object[field.name() + "_frames"] = StackFrames(value.stack());
  }
}

json::object RecordJson(const google::protobuf::RepeatedPtrField<v1::Field>& fields,
                        const google::protobuf::RepeatedPtrField<v1::Value>& values) {
  json::object object;
  for (int i = 0; i < fields.size() && i < values.size(); ++i) Add(object, fields[i], values[i]);
  return object;
}

json::value ListJson(const v1::Field& field, const v1::List& list) {
  json::array array;
  v1::Field text;
  text.set_type(v1::Field::TEXT);
  for (const v1::Value& value : list.values()) {
    if (value.kind_case() == v1::Value::kRecord) {
      array.emplace_back(RecordJson(field.fields(), value.record().values()));
    } else {
      array.emplace_back(ToJson(text, value));
    }
  }
  return array;
}

json::value MapJson(const v1::Map& map) {
  json::object object;
  const v1::Field plain;
  for (int i = 0; i < map.names_size() && i < map.values_size(); ++i) {
    object[map.names(i)] = ToJson(plain, map.values(i));
  }
  return object;
}

}  // namespace

std::string FrameText(const v1::Frame& frame) {
  if (frame.symbol().empty()) return fmt::format("0x{:x}", frame.address());
  std::string text = fmt::format("{}+0x{:x}", frame.symbol(), frame.offset());
  if (!frame.module().empty()) text += fmt::format(" [{}]", frame.module());
  return text;
}

json::value ToJson(const v1::Field& field, const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kUint:
      if (field.type() == v1::Field::ID) return json::value(std::to_string(value.uint()));
      return value.uint();
    case v1::Value::kSint:
      return value.sint();
    case v1::Value::kNumber:
      // JSON has neither infinities nor NaN.
      if (!std::isfinite(value.number())) return nullptr;
      return value.number();
    case v1::Value::kFlag:
      return value.flag();
    case v1::Value::kText:
      return json::value(Utf8(value.text()));
    case v1::Value::kRaw:
      return json::value(Utf8(value.raw()));
    case v1::Value::kStack:
      return StackText(value.stack());
    case v1::Value::kList:
      return ListJson(field, value.list());
    case v1::Value::kRecord:
      return RecordJson(field.fields(), value.record().values());
    case v1::Value::kMap:
      return MapJson(value.map());
    case v1::Value::KIND_NOT_SET:
      break;
  }
  return nullptr;
}

json::object TracerData(const v1::EventType& type, const v1::Event& event) {
  json::object object = RecordJson(type.fields(), event.values());
  if (event.incomplete_size() > 0) {
    json::array late;
    for (const std::string& name : event.incomplete()) late.emplace_back(name);
    object["incomplete"] = std::move(late);
  }
  if (event.repeated() > 0) {
    object["repeated"] = event.repeated();
    object["last_time"] = Rfc3339(event.last_time_ns());
  }
  if (event.lost_before() > 0) object["lost_before"] = event.lost_before();
  return object;
}

}  // namespace huatuo
