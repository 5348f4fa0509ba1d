// The exchange of the rpc Profiles. Not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "collector/ship/courier.h"
#include "collector/ship/exchange.h"
#include "collector/ship/outbox.h"
#include "huatuo/v1/huatuo.pb.h"

namespace huatuo {

class ProfileSession : public MessageExchange<v1::ProfilesFromNode, v1::ProfilesToNode> {
 public:
  ProfileSession(std::string node, Outbox& outbox, CourierCounters& counters);

  absl::Status Receive(const v1::ProfilesToNode& message, Time now) override;
  std::optional<v1::ProfilesFromNode> Next(Time now) override;
  Time WakeAt(Time) const override { return Time::max(); }
  bool welcomed() const override { return welcomed_; }
  bool acked_any() const override { return acked_any_; }

 private:
  absl::Status Welcome(const v1::Welcome& welcome);
  v1::ProfilesFromNode Hello();

  const std::string node_;
  Outbox& outbox_;
  CourierCounters& counters_;
  bool hello_sent_ = false;
  bool welcomed_ = false;
  bool acked_any_ = false;
};

}  // namespace huatuo
