// Writes docs/units.md: all that the catalog says about the units, as Markdown.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "collector/catalog.h"
#include "collector/decode/decoder.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {
namespace {

// A table's cell ends at a bar.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string Word(std::string word) {
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

std::string FieldRows(const google::protobuf::RepeatedPtrField<v1::Field>& fields,
                      const std::string& prefix) {
  std::string text;
  for (const v1::Field& field : fields) {
    const std::string name = prefix + field.name();
    text += fmt::format("| `{}` | {} | {} |\n", name, Word(v1::Field::Type_Name(field.type())),
                        Cell(field.help()));
    text += FieldRows(field.fields(), name + (field.type() == v1::Field::LIST ? "[]." : "."));
  }
  return text;
}

std::string Event(const v1::EventType& event, const EventType& declared) {
  std::string text = fmt::format("### Event `{}`\n\n{}\n\n", event.name(), event.help());
  for (const SubjectSource& subject : declared.subjects) {
    if (subject.role.empty()) continue;
    text += fmt::format("Beside the harmed container it names a second one, the `{}`.\n\n",
                        subject.role);
  }
  text += "| field | type | |\n| --- | --- | --- |\n" + FieldRows(event.fields(), "");
  if (!declared.same.empty()) {
    text += fmt::format(
        "\nFolded into one with `repeated` and `last_time` when these are the same: "
        "`{}`, and the containers.\n",
        fmt::join(declared.same, "`, `"));
  }
  std::string late;
  for (const std::string_view name : LateFields(declared)) {
    late += fmt::format("{}`{}`", late.empty() ? "" : ", ", name);
  }
  if (late.empty()) return text + "\n";
  return text + fmt::format("\nRead within {} ms, else named in `incomplete`: {}.\n\n",
                            declared.deadline.count(), late);
}

std::string Metric(const v1::MetricType& metric, const MetricType& declared) {
  std::string labels = metric.container() ? "container" : "";
  for (const std::string& label : metric.labels()) {
    labels += fmt::format("{}`{}`", labels.empty() ? "" : ", ", label);
  }
  return fmt::format("| `{}` | {} | {} | {}{} |\n", metric.name(),
                     Word(v1::MetricType::Type_Name(metric.type())), labels, Cell(metric.help()),
                     declared.on_request ? " On request." : "");
}

std::string Parameter(const v1::Parameter& parameter) {
  return fmt::format("| `{}` | {} | {} | {} … {} | {} |\n", parameter.name(), parameter.unit(),
                     parameter.default_value(), parameter.minimum(), parameter.maximum(),
                     Cell(parameter.help()));
}

std::string Profile(const v1::ProfileType& profile) {
  std::string values;
  for (const v1::ValueType& value : profile.values()) {
    values += fmt::format("{}`{}` in {}", values.empty() ? "" : ", ", value.type(), value.unit());
  }
  return fmt::format("### Profile `{}`\n\n{} Values: {}.\n\n", profile.name(), profile.help(),
                     values);
}

// How it can be asked for as a task.
std::string Task(const v1::Unit& unit) {
  if (!unit.task()) {
    return unit.filter().empty()
               ? ""
               : fmt::format("Has a filter in the language `{}`.\n\n", unit.filter());
  }
  const std::string filter =
      unit.filter().empty() ? ""
                            : fmt::format(", with a filter in the language `{}`", unit.filter());
  return fmt::format("Can be asked for as a task, for a container or a process{}.\n\n", filter);
}

std::string Section(const v1::Unit& unit, const Unit& declared) {
  std::string text =
      fmt::format("## {}\n\n{}\n\nMechanisms, the best first:\n\n", unit.name(), unit.help());
  std::string_view before;
  for (const Mechanism& mechanism : declared.mechanisms) {
    // The same by another function of the kernel.
    if (std::exchange(before, mechanism.name) == mechanism.name) continue;
    text +=
        fmt::format("* `{}`{}\n", mechanism.name,
                    mechanism.lacks.empty() ? "" : fmt::format(", without {}", mechanism.lacks));
  }
  text += declared.shed_order == 0
              ? "\nThe governor never gives it up.\n\n"
              : fmt::format("\nWhen the node is over its budget it is given up in place {}.\n\n",
                            declared.shed_order);
  text += Task(unit);
  for (const v1::ProfileType& profile : unit.profiles()) text += Profile(profile);
  for (int i = 0; i < unit.events_size(); ++i) {
    text += Event(unit.events(i), declared.events[static_cast<size_t>(i)]);
  }
  if (unit.metrics_size() > 0) {
    text += "### Metrics\n\n| name | type | labels | |\n| --- | --- | --- | --- |\n";
    for (int i = 0; i < unit.metrics_size(); ++i) {
      text += Metric(unit.metrics(i), declared.metrics[static_cast<size_t>(i)]);
    }
    text += "\n";
  }
  if (unit.parameters_size() > 0) {
    text += "### Parameters\n\n| name | unit | default | accepted | |\n";
    text += "| --- | --- | --- | --- | --- |\n";
    for (const v1::Parameter& parameter : unit.parameters()) text += Parameter(parameter);
    text += "\n";
  }
  return text;
}

std::string Document() {
  const std::span<const Unit* const> units = AllUnits();
  const v1::Catalog catalog = MakeCatalog(units);
  std::string text =
      "# Units\n\nMade from the units' tables by `units_doc`; a test compares it. Every metric "
      "also "
      "has the labels `node` and `region`;\na container's has those of the container. What is on "
      "request is "
      "sent where `metrics.include` names it. An event's fields are its `tracer_data`.\n\n";
  for (const Unit* unit : units) text += fmt::format("* [{0}](#{0})\n", unit->name);
  text += "\n";
  for (int i = 0; i < catalog.units_size(); ++i) {
    text += Section(catalog.units(i), *units[static_cast<size_t>(i)]);
  }
  text.pop_back();  // the last section's empty line
  return text;
}

}  // namespace
}  // namespace huatuo

int main() {
  std::fputs(huatuo::Document().c_str(), stdout);
  return 0;
}
