// The units of this process: which instances are open, in what state, by which mechanism.
//
// A unit that cannot run is a state, not an error: it is opened once, mechanism by mechanism, and
// not tried again until somebody changes something. Thread-safe. Lock order: mutex_, then
// index_mutex_ or the ledger's; Emit of an instance may take index_mutex_.
//
// A task is opened by the server and ends by itself, by request, or with the process; how it ended
// is in the TaskLedger.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collector/instance.h"
#include "collector/task_ledger.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class Roster {
 public:
  static constexpr size_t kMaxTasks = 8;  // of one unit, beside `always`

  // `ledger` outlives the roster.
  Roster(std::span<const Unit* const> units, const Resources& resources, TaskLedger& ledger);
  ~Roster();

  // Opens the instance `always` of every unit, but for those named in `off`. Each outcome is one
  // log line.
  void OpenAll(const std::set<std::string>& off);
  void CloseAll();

  // A task's instance, which ends by itself after `duration_ns`. The reply says whether it runs or
  // why not; of a task that is open or has ended already, as it stands.
  v1::InstanceReply Open(const v1::OpenInstance& request);
  // Nothing happens when there is no such task.
  void Close(const std::string& task_id, std::string_view reason);
  // The governor: ends a task before its time. False when there is no such task.
  bool Fail(const std::string& task_id, std::string_view reason);
  // Closes the tasks whose time is over; false when there was none.
  bool CloseExpired();
  // Boot time of the next end of a task; far away when there is none.
  int64_t NextEndNs() const;
  // Closes all tasks before their time.
  void CloseTasks(std::string_view reason);

  // Of the instance `always`: all of the request or nothing.
  v1::ParameterReply SetParameters(const v1::SetParameters& request);
  // Of all instances `always`: what OpenAll found them set to, and over it what the request says.
  v1::ConfigureReply Configure(const v1::Configure& request);

  // The governor: closes a unit's `always` instance, or opens it again. False when nothing changed.
  bool Shed(const std::string& unit);
  bool Restore(const std::string& unit);

  // For the event thread: file descriptors to poll, and what to do when one is readable.
  std::vector<int> Fds() const;
  void Ready(int fd);
  void OnContainers();

  using WriterFor = std::function<MetricWriter&(size_t unit)>;
  void Collect(const WriterFor& writer);

  std::vector<v1::UnitStatus> Status() const;
  struct Running {
    std::string unit;
    std::string task_id;  // empty: the instance `always`
    int shed_order;
    std::vector<ProgramRef> programs;
    uint64_t map_bytes;
  };
  // Those that are always open first.
  std::vector<Running> AllRunning() const;

  // Without waiting for mutex_: what the pipeline asks for each event.
  uint64_t LostOf(uint16_t unit, uint32_t instance) const;

 private:
  // What somebody may want of an instance `always`.
  struct Wish {
    bool on = false;
    std::vector<uint64_t> parameters;
    std::string filter;
  };
  struct Slot {
    uint16_t unit_id = 0;
    uint32_t instance_id = 0;
    std::string task_id;
    InstanceFilter filter;
    std::vector<uint64_t> parameters;
    Wish began;                // of OpenAll
    int64_t ends_boot_ns = 0;  // 0: never
    v1::UnitStatus::State state = v1::UnitStatus::OFF;
    std::string reason;
    const Mechanism* mechanism = nullptr;
    std::shared_ptr<Instance> instance;
    EmitCounts before;  // of the instances that it had before this one
  };

  // Tells the slot's instance, if there is one. After an error it has what it had before.
  static absl::Status Tell(const Slot& slot, std::span<const uint64_t> values,
                           const std::string& filter);
  static absl::Status AddTo(Wish& wish, const Unit& unit, const v1::UnitSettings& settings);
  // All of it or nothing; a unit that cannot be opened is a state all the same.
  absl::Status Fulfil(Wish wish, Slot& slot);
  int UnitIndex(std::string_view name) const;  // -1: there is none
  void OpenSlot(Slot& slot);
  // After the start: gives back what loading took, which the allocator would keep.
  void OpenLater(Slot& slot);
  absl::Status OpenBy(const Mechanism& mechanism, Slot& slot);
  void CloseSlot(Slot& slot, v1::UnitStatus::State state, const std::string& reason);
  void CloseTask(Slot& slot, bool completed, std::string_view reason);
  Slot NewSlot(uint16_t unit_id) const;
  Slot* Always(const std::string& unit);
  absl::Status CheckTask(const v1::OpenInstance& request, int unit) const;
  absl::StatusOr<Slot> TaskSlot(const v1::OpenInstance& request);
  v1::UnitStatus StatusOf(const Slot& slot) const;

  const std::span<const Unit* const> units_;
  TaskLedger& ledger_;
  CountedProfiles profiles_;
  const Resources resources_;
  mutable std::mutex mutex_;
  std::vector<Slot> always_;  // one per unit
  std::map<std::string, Slot> tasks_;
  uint32_t next_instance_ = 1;
  std::string configured_;  // the newest v1::Configure as bytes, and what became of it
  v1::ConfigureReply configured_reply_;

  mutable std::mutex index_mutex_;
  std::map<std::pair<uint16_t, uint32_t>, std::shared_ptr<Instance>> index_;
};

}  // namespace huatuo
