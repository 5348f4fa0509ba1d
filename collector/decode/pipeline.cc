#include "collector/decode/pipeline.h"

#include <algorithm>

namespace huatuo {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

const event_header& HeaderOf(std::span<const std::byte> bytes) {
  return *reinterpret_cast<const event_header*>(bytes.data());
}

// What only the node itself could tell, then: the names of a stack's addresses, what a completion
// reads. It is recorded as event, when it is whole.
bool NeedsTheNode(const EventType& type) {
  return type.complete != nullptr ||
         std::any_of(type.fields.begin(), type.fields.end(),
                     [](const Field& field) { return field.type == v1::Field::STACK; });
}

}  // namespace

Pipeline::Pipeline(std::span<const Unit* const> units, const Decoder& decoder, Completer& completer,
                   EventCounts& event_counts, milliseconds repeat_window, Hooks hooks)
    : units_(units),
      decoder_(decoder),
      completer_(completer),
      event_counts_(event_counts),
      hooks_(std::move(hooks)),
      repeats_(units, repeat_window) {}

void Pipeline::OnRecord(std::span<const std::byte> bytes) {
  const absl::StatusOr<const EventType*> type = decoder_.Identify(bytes);
  if (!type.ok()) {
    ++malformed_;
    return;
  }
  if (hooks_.tap_record && !NeedsTheNode(**type)) hooks_.tap_record(bytes);
  if ((*type)->fold == nullptr) return Accept(**type, bytes);
  if (FoldInto(**type, bytes)) return;
  folding_.push_back(
      {*type, {bytes.begin(), bytes.end()}, steady_clock::now() + (*type)->fold_window});
}

bool Pipeline::FoldInto(const EventType& type, std::span<const std::byte> bytes) {
  for (Folding& first : folding_) {
    if (first.type != &type || HeaderOf(first.record).instance != HeaderOf(bytes).instance)
      continue;
    if (!type.fold(first.record.data(), bytes.data())) continue;
    CountFolded(type, bytes);
    return true;
  }
  return false;
}

void Pipeline::Accept(const EventType& type, std::span<const std::byte> bytes) {
  const event_header& header = HeaderOf(bytes);
  v1::Event event = decoder_.Decode(header.unit, header.record, type, bytes.data());
  Count(event, header.instance);
  if (type.complete == nullptr) {
    if (NeedsTheNode(type) && hooks_.tap_event) hooks_.tap_event(event);
    return Pass(std::move(event), header.instance);
  }
  const auto copy = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  waiting_.push_back(
      {std::move(event), header.instance, completer_.Start(type, {copy, copy->data()})});
}

void Pipeline::OnEvent(v1::Event event) {
  if (event.unit() >= units_.size()) {
    ++malformed_;
    return;
  }
  Count(event, 0);
  Pass(std::move(event), 0);
}

void Pipeline::Emit(const OpenRequest& from, size_t event, std::shared_ptr<const void> record) {
  const EventType& type = from.unit->events[event];
  v1::Event decoded = decoder_.Decode(from.unit_id, event, type, record.get());
  Count(decoded, from.instance_id);
  if (type.complete != nullptr) {
    waiting_.push_back(
        {std::move(decoded), from.instance_id, completer_.Start(type, std::move(record))});
    return;
  }
  if (hooks_.tap_event) hooks_.tap_event(decoded);
  Pass(std::move(decoded), from.instance_id);
}

void Pipeline::Lost(const OpenRequest& from, std::string_view cause, uint64_t count) {
  if (hooks_.dropped) hooks_.dropped(from.instance_id, count);
  const std::lock_guard lock(losses_mutex_);
  losses_[{from.unit_id, std::string(cause)}] += count;
}

void Pipeline::Count(const v1::Event& event, uint32_t instance) {
  if (instance != 0) return;
  const bool harmed = event.subjects_size() > 0 && event.subjects(0).role().empty();
  event_counts_.Add(static_cast<uint16_t>(event.unit()),
                    harmed ? &event.subjects(0).container() : nullptr, steady_clock::now());
}

void Pipeline::CountFolded(const EventType& type, std::span<const std::byte> bytes) {
  ++folded_;
  const event_header& header = HeaderOf(bytes);
  if (header.instance != 0) return;
  const std::optional<v1::Container> harmed = decoder_.Harmed(type, bytes.data());
  event_counts_.Add(header.unit, harmed ? &*harmed : nullptr, steady_clock::now());
  event_counts_.AddFolded(header.unit);
}

void Pipeline::Pass(v1::Event event, uint32_t instance) {
  const auto unit = static_cast<uint16_t>(event.unit());
  const Repeats::Fate fate =
      instance == 0 ? repeats_.Take(event, steady_clock::now()) : Repeats::Fate::kShip;
  if (fate == Repeats::Fate::kShip) return Ship(std::move(event), instance);
  if (fate == Repeats::Fate::kHeld) return;
  ++folded_;
  event_counts_.AddFolded(unit);
}

void Pipeline::Ship(v1::Event event, uint32_t instance) {
  std::optional<std::string> task = hooks_.task(instance);
  if (!task.has_value()) {
    ++closed_;
    return;
  }
  const uint64_t lost = hooks_.lost(static_cast<uint16_t>(event.unit()), instance);
  uint64_t& before = lost_at_last_[{event.unit(), instance}];
  // An instance number that was used again starts its counters anew.
  if (lost > before) event.set_lost_before(lost - before);
  before = lost;
  event.set_task_id(std::move(*task));
  if (event.incomplete_size() > 0) ++late_;
  ++events_;
  hooks_.ship(std::move(event));
  if (hooks_.shipped) hooks_.shipped(instance);
}

void Pipeline::Release(Time now) {
  while (!folding_.empty() && folding_.front().due <= now) {
    const Folding first = std::move(folding_.front());
    folding_.pop_front();
    Accept(*first.type, first.record);
  }
  for (v1::Event& event : repeats_.Release(now)) Ship(std::move(event), 0);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (!it->completion->done() && it->completion->deadline() > now) {
      ++it;
      continue;
    }
    it->completion->MoveInto(it->event);
    if (hooks_.tap_event) hooks_.tap_event(it->event);
    Ship(std::move(it->event), it->instance);
    it = waiting_.erase(it);
  }
}

milliseconds Pipeline::Turn() {
  const Time now = steady_clock::now();
  Release(now);
  Time next = std::min(now + std::chrono::seconds(1), repeats_.due());
  for (const Folding& first : folding_) next = std::min(next, first.due);
  for (const Waiting& one : waiting_) next = std::min(next, one.completion->deadline());
  return std::chrono::ceil<milliseconds>(next - now);
}

void Pipeline::Flush() {
  Release(Time::max());
  Release(Time::max());  // what had been folding may have begun to wait, or to be held
}

bool Pipeline::Holds(uint32_t instance) const {
  const auto folds = [instance](const Folding& first) {
    return HeaderOf(first.record).instance == instance;
  };
  const auto waits = [instance](const Waiting& one) { return one.instance == instance; };
  return std::any_of(folding_.begin(), folding_.end(), folds) ||
         std::any_of(waiting_.begin(), waiting_.end(), waits);
}

Pipeline::Counts Pipeline::counts() const { return {events_, malformed_, folded_, closed_, late_}; }

std::map<std::pair<uint16_t, std::string>, uint64_t> Pipeline::losses() const {
  const std::lock_guard lock(losses_mutex_);
  return losses_;
}

}  // namespace huatuo
