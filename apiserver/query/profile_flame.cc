#include "apiserver/query/profile_flame.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <compare>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace huatuo {
namespace {

enum class Kind : uint8_t { kNone, kUser, kKernel };

struct Name {
  Kind kind = Kind::kNone;
  std::string label;
  friend auto operator<=>(const Name&, const Name&) = default;
};

// Nodes by number; what is below has the larger one.
class Flames {
 public:
  Flames() : nodes_(1) { nodes_[0].name.label = "total"; }

  void Add(const ProfileMerge& profile, const ProfileMerge::Sample& sample,
           const std::vector<Name>& names) {
    const uint64_t value = sample.values.empty() ? 0 : sample.values.back();
    const std::string& comm = profile.text(profile.subjects()[sample.subject].comm);
    nodes_[0].value += value;
    size_t at = Below(0, {Kind::kNone, comm.empty() ? "[unknown]" : comm});
    nodes_[at].value += value;
    for (auto frame = sample.frames.rbegin(); frame != sample.frames.rend(); ++frame) {
      at = Below(at, names[*frame]);
      nodes_[at].value += value;
    }
    nodes_[at].self += value;
  }

  std::string Items() const {
    std::string out;
    std::vector<std::pair<size_t, int>> open = {{0, 0}};  // (node, level), the next one last
    while (!open.empty()) {
      const auto [index, level] = open.back();
      open.pop_back();
      if (!out.empty()) out += ',';
      Write(nodes_[index], level, out);
      for (const size_t child : Children(nodes_[index])) open.emplace_back(child, level + 1);
    }
    return out;
  }

  uint64_t total() const { return nodes_[0].value; }

 private:
  struct Node {
    Name name;
    uint64_t value = 0;
    uint64_t self = 0;
    std::map<Name, size_t> children;
  };

  size_t Below(size_t parent, const Name& name) {
    const auto [place, is_new] = nodes_[parent].children.try_emplace(name, nodes_.size());
    const size_t index = place->second;
    if (is_new) nodes_.push_back({name, 0, 0, {}});
    return index;
  }

  // The largest last.
  std::vector<size_t> Children(const Node& node) const {
    std::vector<size_t> children;
    for (const auto& [name, index] : node.children) children.push_back(index);
    std::reverse(children.begin(), children.end());
    std::stable_sort(children.begin(), children.end(),
                     [this](size_t a, size_t b) { return nodes_[a].value < nodes_[b].value; });
    return children;
  }

  static void Write(const Node& node, int level, std::string& out) {
    fmt::format_to(std::back_inserter(out), R"({{"level":{},"value":{},"self":{},"label":{})",
                   level, node.value, node.self,
                   boost::json::serialize(boost::json::string(node.name.label)));
    if (node.name.kind != Kind::kNone) {
      out += node.name.kind == Kind::kKernel ? R"(,"kind":"kernel")" : R"(,"kind":"user")";
    }
    out += '}';
  }

  std::vector<Node> nodes_;
};

}  // namespace

std::string FlamegraphOf(const ProfileMerge& profile) {
  std::vector<Name> names;
  names.reserve(profile.frames().size());
  for (const ProfileMerge::Frame& frame : profile.frames()) {
    names.push_back({frame.kernel ? Kind::kKernel : Kind::kUser, profile.Label(frame)});
  }
  Flames flames;
  for (const ProfileMerge::Sample& sample : profile.samples()) flames.Add(profile, sample, names);
  const std::string unit = profile.values().empty() ? "" : profile.values().back().unit;
  return fmt::format(R"({{"unit":"{}","total":{},"items":[{}]}})", unit, flames.total(),
                     flames.Items());
}

}  // namespace huatuo
