// Writes one process's part of docs/configuration.md. This program is the process's settings.cc,
// compiled so that it calls PrintOptions where the process calls LoadConfig.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "common/config.h"
#include SETTINGS_HEADER

namespace huatuo {
namespace {

constexpr std::string_view kProcess = std::string_view(SETTINGS_HEADER).substr(0, 9);

constexpr std::string_view kPreface =
    "# Configuration\n\nMade from the processes' option tables; a test compares it.\n\nEach "
    "process "
    "reads the YAML file named by `--config` and then its flags, which win. The key\n"
    "`tls.ca_file` is `ca_file:` below `tls:` in the file and `--tls-ca-file` as a flag; a list is "
    "a flag that is\nrepeated. A key that is unknown, of the wrong type or out of range ends the "
    "start with file, line and key.\n";

std::string Default(const std::string& value) {
  return value.empty() ? "" : fmt::format("`{}`", value);
}
std::string Default(const std::vector<std::string>&) { return ""; }
template <typename T>
std::string Default(const T& value) {
  return fmt::format("`{}`", value);
}

std::string_view TypeName(const Option::Target& target) {
  static constexpr std::string_view kNames[] = {"text", "integer", "number", "boolean", "list"};
  return kNames[target.index()];
}

std::string Row(const Option& option) {
  const std::string value =
      std::visit([](const auto* target) { return Default(*target); }, option.target);
  const bool ranged = option.target.index() == 1 || option.target.index() == 2;
  const std::string range =
      ranged ? fmt::format("{:.15g} … {:.15g}", option.minimum, option.maximum) : "";
  return fmt::format("| `{}` | {} | {} | {} | {} |\n", option.key, TypeName(option.target), value,
                     range, option.help);
}

}  // namespace

absl::Status PrintOptions(std::span<const Option> options, int, char**) {
  std::string text(kProcess == "collector" ? kPreface : "");
  text += fmt::format("\n## huatuo-{}\n\n| key | type | default | accepted | |\n", kProcess);
  text += "| --- | --- | --- | --- | --- |\n";
  for (const Option& option : options) text += Row(option);
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace huatuo

int main(int argc, char** argv) { return huatuo::LoadSettings(argc, argv).ok() ? 0 : 1; }
