// Files of this folder that are part of the executable.
#pragma once

#include <string_view>

namespace huatuo {

std::string_view PageHtml();     // page.html
std::string_view SchemasJson();  // schemas.json

}  // namespace huatuo
