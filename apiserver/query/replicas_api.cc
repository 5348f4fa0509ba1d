#include "apiserver/query/replicas_api.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "apiserver/query/body.h"
#include "common/document.h"

namespace huatuo {
namespace {

namespace json = boost::json;

json::object Item(const Replicas::Peer& peer) {
  return {{"id", peer.row.id},
          {"name", peer.row.name},
          {"http", peer.row.http},
          {"grpc", peer.row.grpc},
          {"started_time", Rfc3339(peer.row.started_ns)},
          {"silent_seconds", static_cast<double>(peer.row.silent_ms) / 1e3},
          {"nodes", peer.row.nodes},
          {"self", peer.self},
          {"turn", peer.turn}};
}

Response List(const Replicas* replicas) {
  json::array items;
  if (replicas != nullptr) {
    for (const Replicas::Peer& peer : replicas->List()) items.push_back(Item(peer));
  }
  return ListReply(std::move(items));
}

}  // namespace

std::vector<Route> ReplicaRoutes(const Replicas* replicas) {
  return {{.method = "GET",
           .pattern = "/api/v1/replicas",
           .help = "The apiservers that share the store and are alive, the oldest first; none when "
                   "the store is not PostgreSQL.",
           .replies = {{200, "The replicas.", "application/json", "ReplicaList"}},
           .run = [replicas](const Call&) { return List(replicas); }}};
}

}  // namespace huatuo
