#include "apiserver/ingest/profile_document.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "apiserver/store/profile_blob.h"
#include "common/document.h"
#include "common/id.h"

namespace huatuo {
namespace {

namespace json = boost::json;

uint64_t SaturatingSum(uint64_t a, uint64_t b) {
  return a > std::numeric_limits<uint64_t>::max() - b ? std::numeric_limits<uint64_t>::max()
                                                      : a + b;
}

std::vector<uint64_t> Totals(const v1::Profile& profile) {
  std::vector<uint64_t> totals(static_cast<size_t>(profile.values_size()));
  for (const v1::ProfileSample& sample : profile.samples()) {
    for (size_t i = 0; i < totals.size(); ++i) {
      totals[i] = SaturatingSum(totals[i], sample.values(static_cast<int>(i)));
    }
  }
  return totals;
}

// How many samples were taken, when one of the values counts them; else how many different ones
// there are.
uint64_t Samples(const v1::Profile& profile, const std::vector<uint64_t>& totals) {
  for (int i = 0; i < profile.values_size(); ++i) {
    if (profile.values(i).type() == "samples") return totals[static_cast<size_t>(i)];
  }
  return static_cast<uint64_t>(profile.samples_size());
}

json::object Losses(const v1::Profile& profile) {
  json::object losses;
  for (const v1::Loss& loss : profile.losses()) losses[loss.cause()] = loss.count();
  return losses;
}

// Each container once, in the order of the profile.
std::vector<SubjectRow> Containers(const v1::Profile& profile) {
  std::vector<SubjectRow> rows;
  std::set<std::string> seen;
  for (const v1::ProfileSubject& subject : profile.subjects()) {
    const v1::Container& container = subject.container();
    const bool names_one = !container.id().empty() || !container.name().empty();
    if (!names_one || !seen.insert(container.id() + "\n" + container.name()).second) continue;
    rows.push_back({.role = {},
                    .container_id = container.id(),
                    .container_name = container.name(),
                    .namespace_name = subject.namespace_name(),
                    .pod_name = subject.pod_name(),
                    .pod_uid = container.pod_uid()});
  }
  return rows;
}

json::array ContainersJson(const std::vector<SubjectRow>& rows) {
  json::array containers;
  for (const SubjectRow& row : rows) {
    json::object container;
    if (!row.container_id.empty()) container["id"] = row.container_id;
    if (!row.container_name.empty()) container["name"] = row.container_name;
    if (!row.namespace_name.empty()) container["namespace"] = row.namespace_name;
    if (!row.pod_name.empty()) container["pod_name"] = row.pod_name;
    if (!row.pod_uid.empty()) container["pod_uid"] = row.pod_uid;
    containers.push_back(std::move(container));
  }
  return containers;
}

json::array ValuesJson(const v1::Profile& profile, const std::vector<uint64_t>& totals) {
  json::array values;
  for (int i = 0; i < profile.values_size(); ++i) {
    const v1::ValueType& value = profile.values(i);
    values.push_back(json::object{
        {"type", value.type()}, {"unit", value.unit()}, {"total", totals[static_cast<size_t>(i)]}});
  }
  return values;
}

}  // namespace

void NamePods(const PodIndex* pods, v1::Profile& profile) {
  for (v1::ProfileSubject& subject : *profile.mutable_subjects()) {
    subject.clear_namespace_name();
    subject.clear_pod_name();
    if (pods == nullptr || !subject.has_container()) continue;
    v1::Container& container = *subject.mutable_container();
    const PodIndex::Found found = pods->Find(container.id(), container.pod_uid());
    if (!found.pod) continue;
    subject.set_namespace_name(found.pod->namespace_name);
    subject.set_pod_name(found.pod->name);
    container.set_pod_uid(found.pod->uid);
    if (found.container) container.set_name(found.container->name);
  }
}

NewProfile MakeNewProfile(const ProfileOrigin& origin, const v1::Profile& profile) {
  NewProfile made;
  made.blob = PackProfile(profile);
  ProfileRow& row = made.row;
  row.sequence = origin.sequence;
  row.id = UuidText(profile.profile_id());
  row.unit = profile.unit();
  row.type = profile.type();
  row.task_id = profile.task_id();
  row.time_ns = profile.time_ns();
  row.duration_ns = profile.duration_ns();
  row.containers = Containers(profile);
  const std::vector<uint64_t> totals = Totals(profile);
  json::object document{
      {"id", row.id},
      {"node", origin.node},
      {"unit", row.unit},
      {"type", row.type},
      {"task_id", nullptr},
      {"time", Rfc3339(row.time_ns)},
      {"uploaded_time", Rfc3339(origin.uploaded_ns)},
      {"duration_seconds", static_cast<double>(row.duration_ns) / 1e9},
      {"samples", Samples(profile, totals)},
      {"total", totals.back()},
      {"value_unit", profile.values().rbegin()->unit()},
      {"values", ValuesJson(profile, totals)},
      {"losses", Losses(profile)},
      {"containers", ContainersJson(row.containers)},
      {"bytes", made.blob.size()},
  };
  if (!row.task_id.empty()) document["task_id"] = row.task_id;
  row.document = json::serialize(document);
  return made;
}

}  // namespace huatuo
