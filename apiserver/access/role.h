// Who sends a request, and what they may do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace huatuo {

// Each role may do what the ones before it may. kPublic: no token needed.
enum class Role { kPublic, kViewer, kOperator, kAdmin };

// "viewer", "operator", "admin"; "nobody" of kPublic.
std::string_view RoleName(Role role);
// Of a name that can be given to somebody.
std::optional<Role> ParseRole(std::string_view name);

struct Caller {
  std::string name = {};  // of the token; empty: without one
  Role role = Role::kPublic;
  std::vector<std::string> namespaces = {};  // empty: all of them

  bool scoped() const { return !namespaces.empty(); }
  bool Sees(std::string_view name_space) const;
};

}  // namespace huatuo
