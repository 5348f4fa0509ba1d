#include "common/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

std::string FlagOf(const std::string& key) {
  std::string flag = "--" + key;
  for (char& c : flag) {
    if (c == '.' || c == '_') c = '-';
  }
  return flag;
}

template <typename T>
absl::Status SetNumber(const Option& option, const std::string& text, T& target) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return InvalidArgument(fmt::format("\"{}\": a number is accepted", text));
  }
  if (static_cast<double>(value) < option.minimum || static_cast<double>(value) > option.maximum) {
    return InvalidArgument(
        fmt::format("{}: accepted are {} to {}", text, option.minimum, option.maximum));
  }
  target = value;
  return absl::OkStatus();
}

absl::Status Set(const Option& option, const std::string& text) {
  if (auto* const* target = std::get_if<std::string*>(&option.target)) {
    **target = text;
    return absl::OkStatus();
  }
  if (auto* const* target = std::get_if<uint64_t*>(&option.target)) {
    return SetNumber(option, text, **target);
  }
  if (auto* const* target = std::get_if<double*>(&option.target)) {
    return SetNumber(option, text, **target);
  }
  if (auto* const* target = std::get_if<std::vector<std::string>*>(&option.target)) {
    (*target)->push_back(text);
    return absl::OkStatus();
  }
  if (text != "true" && text != "false") {
    return InvalidArgument(fmt::format("\"{}\": accepted are true and false", text));
  }
  *std::get<bool*>(option.target) = text == "true";
  return absl::OkStatus();
}

const Option* FindKey(std::span<const Option> options, const std::string& key) {
  for (const Option& option : options) {
    if (option.key == key) return &option;
  }
  return nullptr;
}

bool IsSection(std::span<const Option> options, const std::string& key) {
  for (const Option& option : options) {
    if (option.key.starts_with(key + ".")) return true;
  }
  return false;
}

// One file, walked once.
class FileReader {
 public:
  FileReader(std::span<const Option> options, const std::string& name)
      : options_(options), name_(name) {}

  absl::Status Read(const YAML::Node& node, const std::string& prefix) {
    if (node.IsNull()) return absl::OkStatus();
    if (!node.IsMap()) return Refuse(node, prefix, "keys with values are accepted here");
    for (const auto& pair : node) {
      const std::string key = prefix + pair.first.as<std::string>();
      if (const Option* option = FindKey(options_, key)) {
        RETURN_IF_ERROR(ReadValue(*option, pair.second));
      } else if (IsSection(options_, key)) {
        RETURN_IF_ERROR(Read(pair.second, key + "."));
      } else {
        return Refuse(pair.first, key, "no such key");
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Refuse(const YAML::Node& at, const std::string& key, std::string_view why) const {
    return InvalidArgument(fmt::format("{}:{}: {}: {}", name_, at.Mark().line + 1, key, why));
  }

  absl::Status ReadValue(const Option& option, const YAML::Node& value) {
    const bool list = std::holds_alternative<std::vector<std::string>*>(option.target);
    if (list && value.IsSequence()) {
      for (const YAML::Node& one : value) RETURN_IF_ERROR(ReadScalar(option, one));
      return absl::OkStatus();
    }
    return ReadScalar(option, value);
  }

  absl::Status ReadScalar(const Option& option, const YAML::Node& value) {
    if (!value.IsScalar()) return Refuse(value, option.key, "a single value is accepted");
    const absl::Status status = Set(option, value.Scalar());
    return status.ok() ? status : Refuse(value, option.key, Message(status));
  }

  const std::span<const Option> options_;
  const std::string& name_;
};

void PrintHelp(std::span<const Option> options, const char* program) {
  std::string text = fmt::format("usage: {} [--config FILE] [--KEY VALUE]...\n\n", program);
  for (const Option& option : options) {
    text += fmt::format("  {:<28} {}\n", FlagOf(option.key), option.help);
  }
  std::fputs(text.c_str(), stdout);
}

absl::Status ReadFile(std::span<const Option> options, const std::string& path) {
  std::ifstream file(path);
  if (!file) return NotFound(fmt::format("open configuration {}: cannot be read", path));
  std::stringstream text;
  text << file.rdbuf();
  return ParseConfig(options, path, text.str());
}

absl::Status ReadFlags(std::span<const Option> options, std::span<char*> arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string flag = arguments[i];
    std::string value;
    const size_t equal = flag.find('=');
    if (equal != std::string::npos) {
      value = flag.substr(equal + 1);
      flag.resize(equal);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return InvalidArgument(fmt::format("{}: needs a value", flag));
    }
    if (flag == "--config") continue;
    const Option* found = nullptr;
    for (const Option& option : options) {
      if (FlagOf(option.key) == flag) found = &option;
    }
    if (found == nullptr) return InvalidArgument(fmt::format("{}: no such flag; try --help", flag));
    RETURN_IF_ERROR(Annotate(Set(*found, value), flag));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseConfig(std::span<const Option> options, const std::string& name,
                         const std::string& text) {
  try {
    return FileReader(options, name).Read(YAML::Load(text), "");
  } catch (const YAML::Exception& error) {
    return InvalidArgument(fmt::format("{}:{}: {}", name, error.mark.line + 1, error.msg));
  }
}

absl::Status LoadConfig(std::span<const Option> options, int argc, char** argv) {
  const std::span<char*> arguments(argv + 1, argv + argc);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view flag = arguments[i];
    if (flag == "--help" || flag == "-h") {
      PrintHelp(options, argv[0]);
      std::exit(0);
    }
    if (flag == "--config" && i + 1 < arguments.size()) {
      RETURN_IF_ERROR(ReadFile(options, arguments[i + 1]));
    } else if (flag.starts_with("--config=")) {
      RETURN_IF_ERROR(ReadFile(options, std::string(flag.substr(9))));
    }
  }
  return ReadFlags(options, arguments);
}

}  // namespace huatuo
