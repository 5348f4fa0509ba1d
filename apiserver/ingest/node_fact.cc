#include "apiserver/ingest/node_fact.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "common/id.h"
#include "common/status.h"

namespace huatuo {
namespace {

namespace json = boost::json;

std::string FromHex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

template <typename T>
void Number(const json::object& fact, std::string_view key, T& number) {
  const json::value* value = fact.if_contains({key.data(), key.size()});
  boost::system::error_code error;
  if (value != nullptr) number = value->to_number<T>(error);
}

bool Proto(const json::object& fact, std::string_view key, google::protobuf::Message& message) {
  const json::value* value = fact.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_string()) return false;
  const auto& text = value->get_string();
  return message.ParseFromString(FromHex({text.data(), text.size()}));
}

}  // namespace

std::string NodeFact(const NodeState& state) {
  v1::CatalogReply refused;
  for (const v1::RefusedUnit& unit : state.refused_units) *refused.add_refused() = unit;
  return json::serialize(json::object{{"hello", Hex(state.hello.SerializeAsString())},
                                      {"status", Hex(state.status.SerializeAsString())},
                                      {"refused", Hex(refused.SerializeAsString())},
                                      {"configured", Hex(state.configured.SerializeAsString())},
                                      {"session", state.session},
                                      {"connected_ns", state.connected_ns},
                                      {"last_message_ns", state.last_message_ns},
                                      {"high_water", state.high_water},
                                      {"clock_skew_ns", state.clock_skew_ns},
                                      {"events", state.events},
                                      {"rejected", state.rejected},
                                      {"missing", state.missing}});
}

absl::StatusOr<NodeState> ParseNodeFact(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error);
  NodeState state;
  v1::CatalogReply refused;
  if (error || !value.is_object() || !Proto(value.get_object(), "hello", state.hello) ||
      !Proto(value.get_object(), "status", state.status) ||
      !Proto(value.get_object(), "refused", refused)) {
    return InvalidArgument("kept state of a node: cannot be parsed");
  }
  const json::object& fact = value.get_object();
  Proto(fact, "configured", state.configured);  // an older version kept none
  state.refused_units.assign(refused.refused().begin(), refused.refused().end());
  Number(fact, "session", state.session);
  Number(fact, "connected_ns", state.connected_ns);
  Number(fact, "last_message_ns", state.last_message_ns);
  Number(fact, "high_water", state.high_water);
  Number(fact, "clock_skew_ns", state.clock_skew_ns);
  Number(fact, "events", state.events);
  Number(fact, "rejected", state.rejected);
  Number(fact, "missing", state.missing);
  return state;
}

}  // namespace huatuo
