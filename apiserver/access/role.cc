#include "apiserver/access/role.h"

#include <algorithm>
#include <array>

namespace huatuo {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"nobody", "viewer", "operator", "admin"};

}  // namespace

std::string_view RoleName(Role role) { return kNames[static_cast<size_t>(role)]; }

std::optional<Role> ParseRole(std::string_view name) {
  for (const Role role : {Role::kViewer, Role::kOperator, Role::kAdmin}) {
    if (RoleName(role) == name) return role;
  }
  return std::nullopt;
}

bool Caller::Sees(std::string_view name_space) const {
  return !scoped() ||
         std::find(namespaces.begin(), namespaces.end(), name_space) != namespaces.end();
}

}  // namespace huatuo
