#include "apiserver/query/discovery_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string>

#include "apiserver/query/problem.h"

namespace huatuo {
namespace {

namespace json = boost::json;

// Whether `host` can stand in a URL: a name or an address, and maybe a port.
bool IsAuthority(std::string_view host) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
  };
  return !host.empty() && host.size() <= 260 && std::all_of(host.begin(), host.end(), allowed);
}

// Prometheus wants the port told.
std::string WithPort(std::string_view host, bool tls) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return colon == std::string_view::npos ? fmt::format("{}:{}", host, tls ? 443 : 80)
                                         : std::string(host);
}

json::object Target(const std::string& address, bool tls, json::object labels) {
  labels["__scheme__"] = tls ? "https" : "http";
  labels["__metrics_path__"] = "/metrics";
  return {{"targets", {address}}, {"labels", std::move(labels)}};
}

// `instance`, since all targets have one address.
json::object LabelsOf(const NodeState& node) {
  const v1::Hello& hello = node.hello;
  return {{"instance", hello.node()},
          {"__param_node", hello.node()},
          {"__meta_huatuo_role", "node"},
          {"__meta_huatuo_node", hello.node()},
          {"__meta_huatuo_region", hello.region()},
          {"__meta_huatuo_hostname", hello.hostname()},
          {"__meta_huatuo_kernel", hello.kernel_release()},
          {"__meta_huatuo_version", hello.version()},
          {"__meta_huatuo_connected", node.connected ? "true" : "false"}};
}

Response Discover(const Nodes& nodes, bool tls, const Call& call) {
  const std::string_view host = call.request.Header("host");
  if (!IsAuthority(host)) {
    return ParameterProblem(400, "Host", fmt::format("bad header \"{}\"", host),
                            "the name or address and port that this server has for whoever asks");
  }
  const std::string address = WithPort(host, tls);
  const std::string role = call.params.Text("role");
  json::array targets;
  if (role != "node") {
    targets.push_back(Target(
        address, tls, {{"__param_scope", "apiserver"}, {"__meta_huatuo_role", "apiserver"}}));
  }
  if (role != "apiserver") {
    nodes.ForEach(
        [&](const NodeState& node) { targets.push_back(Target(address, tls, LabelsOf(node))); });
  }
  Response response;
  response.body = json::serialize(targets);
  return response;
}

}  // namespace

std::vector<Route> DiscoveryRoutes(const Nodes& nodes, bool tls) {
  return {{.method = "GET",
           .pattern = "/api/v1/sd",
           .help = "What there is to scrape, for Prometheus' http_sd_configs: this process, and "
                   "each node that it knows.",
           .params = {{.name = "role",
                       .kind = Param::Kind::kWord,
                       .help = "Only such targets.",
                       .words = {"node", "apiserver"}}},
           .replies = {{200, "Groups of targets.", "application/json", "ScrapeTargets"}},
           .run = [&nodes, tls](const Call& call) { return Discover(nodes, tls, call); }}};
}

}  // namespace huatuo
