#include "common/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace huatuo {
namespace {

spdlog::string_view_t View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

void StartLog() {
  auto logger =
      std::make_shared<spdlog::logger>("huatuo", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %-7l %v", spdlog::pattern_time_type::utc);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void LogInfo(std::string_view message) { spdlog::info(View(message)); }
void LogWarning(std::string_view message) { spdlog::warn(View(message)); }
void LogError(std::string_view message) { spdlog::error(View(message)); }

}  // namespace huatuo
