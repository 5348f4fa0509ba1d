#include "apiserver/tasks/task_metrics.h"

namespace huatuo {
namespace {

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       const std::string& name,
                                                       const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

TaskMetrics::TaskMetrics(prometheus::Registry& registry)
    : created(CounterFamily(registry, "huatuo_apiserver_tasks_created_total",
                            "Tasks that were taken, by tool.")),
      ended(CounterFamily(registry, "huatuo_apiserver_tasks_ended_total",
                          "Tasks that ended, by tool and state.")),
      refused(CounterFamily(registry, "huatuo_apiserver_tasks_refused_total",
                            "Tasks that were refused because too many were open, by limit.")),
      open(prometheus::BuildGauge()
               .Name("huatuo_apiserver_tasks_open")
               .Help("Tasks that have not ended.")
               .Register(registry)
               .Add({})),
      store_errors(CounterFamily(registry, "huatuo_apiserver_task_store_errors_total",
                                 "Changes of tasks that the store did not take at once.")
                       .Add({})) {}

}  // namespace huatuo
