#include "common/document.h"

#include <fmt/compile.h>
#include <fmt/format.h>

namespace huatuo {
namespace {

void AddStack(JsonText& json, const v1::Stack& stack) {
  json.BeginText();
  for (int i = 0; i < stack.frames_size(); ++i) {
    if (i > 0) json.NewLine();
    json.Part(FrameText(stack.frames(i)));
  }
  json.EndText();
}

void AddFrames(JsonText& json, const v1::Stack& stack) {
  json.BeginArray();
  for (const v1::Frame& frame : stack.frames()) {
    json.BeginObject();
    // A frame of /proc/<pid>/stack has none.
    if (frame.address() != 0) {
      json.Key("address");
      json.BeginText();
      json.Hex(frame.address());
      json.EndText();
    }
    if (!frame.symbol().empty()) {
      json.Key("symbol");
      json.Text(frame.symbol());
      json.Key("offset");
      json.Uint(frame.offset());
    }
    if (!frame.module().empty()) {
      json.Key("module");
      json.Text(frame.module());
    }
    json.EndObject();
  }
  json.EndArray();
}

void AddValue(JsonText& json, const v1::Field& field, const v1::Value& value);

// The members of an object that the caller begins and ends.
void AddMembers(JsonText& json, const google::protobuf::RepeatedPtrField<v1::Field>& fields,
                const google::protobuf::RepeatedPtrField<v1::Value>& values) {
  for (int i = 0; i < fields.size() && i < values.size(); ++i) {
    json.Key(fields[i].name());
    AddValue(json, fields[i], values[i]);
    if (values[i].kind_case() != v1::Value::kStack) continue;
    json.Key(FramesKey(fields[i]));
    AddFrames(json, values[i].stack());
  }
}

void AddRecord(JsonText& json, const v1::Field& field, const v1::Record& record) {
  json.BeginObject();
  AddMembers(json, field.fields(), record.values());
  json.EndObject();
}

void AddList(JsonText& json, const v1::Field& field, const v1::List& list) {
  json.BeginArray();
  for (const v1::Value& value : list.values()) AddValue(json, field, value);
  json.EndArray();
}

void AddMap(JsonText& json, const v1::Map& map) {
  json.BeginObject();
  for (int i = 0; i < map.names_size() && i < map.values_size(); ++i) {
    json.Key(map.names(i));
    AddValue(json, v1::Field::default_instance(), map.values(i));
  }
  json.EndObject();
}

void AddValue(JsonText& json, const v1::Field& field, const v1::Value& value) {
  switch (value.kind_case()) {
    case v1::Value::kUint:
      if (field.type() != v1::Field::ID) return json.Uint(value.uint());
      // More than the numbers of many readers can hold.
      return json.Text(fmt::format_int(value.uint()).c_str());
    case v1::Value::kSint:
      return json.Sint(value.sint());
    case v1::Value::kNumber:
      return json.Number(value.number());
    case v1::Value::kFlag:
      return json.Flag(value.flag());
    case v1::Value::kText:
      return json.Text(value.text());
    case v1::Value::kRaw:
      return json.Text(value.raw());
    case v1::Value::kStack:
      return AddStack(json, value.stack());
    case v1::Value::kList:
      return AddList(json, field, value.list());
    case v1::Value::kRecord:
      return AddRecord(json, field, value.record());
    case v1::Value::kMap:
      return AddMap(json, value.map());
    case v1::Value::KIND_NOT_SET:
      break;
  }
  json.Null();
}

}  // namespace

std::string FramesKey(const v1::Field& field) { return field.name() + "_frames"; }

std::string FrameText(const v1::Frame& frame) {
  if (frame.symbol().empty()) return fmt::format(FMT_COMPILE("0x{:x}"), frame.address());
  std::string text = fmt::format(FMT_COMPILE("{}+0x{:x}"), frame.symbol(), frame.offset());
  if (!frame.module().empty()) text.append(" [").append(frame.module()) += ']';
  return text;
}

void AddTracerData(JsonText& json, const v1::EventType& type, const v1::Event& event) {
  json.BeginObject();
  AddMembers(json, type.fields(), event.values());
  if (event.incomplete_size() > 0) {
    json.Key("incomplete");
    json.BeginArray();
    for (const std::string& name : event.incomplete()) json.Text(name);
    json.EndArray();
  }
  if (event.repeated() > 0) {
    json.Key("repeated");
    json.Uint(event.repeated());
    json.Key("last_time");
    json.Text(Rfc3339(event.last_time_ns()));
  }
  if (event.lost_before() > 0) {
    json.Key("lost_before");
    json.Uint(event.lost_before());
  }
  json.EndObject();
}

std::string TracerData(const v1::EventType& type, const v1::Event& event) {
  JsonText json;
  AddTracerData(json, type, event);
  return std::string(json.text());
}

}  // namespace huatuo
