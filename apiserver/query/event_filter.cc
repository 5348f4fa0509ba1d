#include "apiserver/query/event_filter.h"

namespace huatuo {

std::vector<Param> FilterParams() {
  using Kind = Param::Kind;
  return {
      {"tracer", Kind::kText, "Name of the tracer: oom."},
      {"node", Kind::kText, "Name of the node."},
      {"namespace", Kind::kText, "Kubernetes namespace of any subject."},
      {"pod", Kind::kText, "Name or uid of the pod of any subject."},
      {"container", Kind::kText,
       "Name of the container of any subject, or 12 or more first digits of its id."},
      {"task", Kind::kText, "Id of the task that the event was made for."},
      {"text", Kind::kText, "Words that all occur in the document, in any case."},
  };
}

std::vector<Param> RangeParams() {
  return {{"from", Param::Kind::kTime, "Oldest tracer_time, inclusive."},
          {"to", Param::Kind::kTime, "Newest tracer_time, exclusive."}};
}

EventFilter FilterOf(const ParamValues& params, int64_t now_ns) {
  EventFilter filter;
  filter.from_ns = params.TimeNs("from", now_ns);
  filter.to_ns = params.TimeNs("to", now_ns);
  filter.tracer = params.Text("tracer");
  filter.node = params.Text("node");
  filter.namespace_name = params.Text("namespace");
  filter.pod = params.Text("pod");
  filter.container = params.Text("container");
  filter.task_id = params.Text("task");
  filter.text = params.Text("text");
  return filter;
}

}  // namespace huatuo
