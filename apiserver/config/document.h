// What is wanted of the units of all nodes, as JSON says it:
//
//   {"defaults": {"runqlat": {"threshold_ns": 20000000}, "ras": {"enabled": false}},
//    "overrides": [{"name": "gpu", "nodes": ["gpu-*"], "regions": ["eu"], "kernels": ["5.10.*"],
//                   "units": {"dropwatch": {"filter": "tcp"}}}]}
//
// An override holds for a node that each of its lists names; a list that is absent names all. In a
// pattern * stands for any text and ? for one character. Overrides are laid over the defaults in
// their order, setting by setting: the last one wins. Pure and thread-safe.
#pragma once

#include <re2/re2.h>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/refusal.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

// By unit.
using UnitWishes = std::map<std::string, v1::UnitSettings>;

struct NodePattern {
  std::string text;
  std::shared_ptr<const RE2> expression;
};

struct NodeSelector {
  std::vector<NodePattern> nodes;
  std::vector<NodePattern> regions;
  std::vector<NodePattern> kernels;
};

struct ConfigOverride {
  std::string name;
  NodeSelector selector;
  UnitWishes units;
};

struct ConfigDocument {
  UnitWishes defaults;
  std::vector<ConfigOverride> overrides;
};

// Reads `object` into `document`; members called like one of `beside` are somebody else's. With the
// `units` of all nodes, what none of them has or takes is the objection; without, only the form.
Objection ReadConfig(const boost::json::object& object, const std::vector<std::string>& beside,
                     const v1::Catalog* units, ConfigDocument& document);

// As it is read.
boost::json::object ConfigJson(const ConfigDocument& document);

// What the document wants of one node.
v1::Configure ConfigFor(const ConfigDocument& document, const v1::Hello& node);

}  // namespace huatuo
