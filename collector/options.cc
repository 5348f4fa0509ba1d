#include "collector/options.h"

#include <sys/utsname.h>

#include <algorithm>
#include <charconv>

namespace huatuo {
namespace {

std::string FirstLine(const Root& root, std::string_view path) {
  std::string text = root.Read(path).value_or("");
  text.resize(std::min(text.size(), text.find('\n')));
  return text;
}

v1::Hello MakeHello(const Settings& settings, const Root& root) {
  v1::Hello hello;
  hello.set_protocol(1);
  hello.set_node(settings.node);
  hello.set_region(settings.region);
  hello.set_version(HUATUO_VERSION);
  utsname name{};
  uname(&name);
  hello.set_kernel_release(name.release);
  hello.set_hostname(name.nodename);
  hello.set_boot_id(FirstLine(root, "/proc/sys/kernel/random/boot_id"));
  return hello;
}

LinkOptions MakeLinkOptions(const Settings& settings) {
  LinkOptions options;
  options.target = settings.apiserver;
  options.tls = settings.tls;
  options.ca_file = settings.tls_ca_file;
  options.certificate_file = settings.tls_certificate_file;
  options.key_file = settings.tls_key_file;
  options.server_name = settings.tls_server_name;
  options.token_file = settings.token_file;
  return options;
}

SpoolOptions MakeSpoolOptions(const std::string& folder, uint64_t limit_bytes) {
  SpoolOptions options;
  options.folder = folder;
  options.limit_bytes = limit_bytes;
  // A full spool loses a whole segment at a time: at most an eighth of it.
  options.segment_bytes = std::min<uint64_t>(options.segment_bytes, limit_bytes / 8);
  return options;
}

}  // namespace

OutboxOptions MakeOutboxOptions(const Settings& settings, const Root& root) {
  OutboxOptions options;
  options.spool = MakeSpoolOptions(settings.spool_folder, settings.spool_limit_bytes);
  options.boot_id = FirstLine(root, "/proc/sys/kernel/random/boot_id");
  return options;
}

StreamOptions MakeStreamOptions(const Settings& settings, const Root& root) {
  StreamOptions options;
  options.link = MakeLinkOptions(settings);
  options.session.hello = MakeHello(settings, root);
  // Who wants metrics often wants to know the node's state as often.
  const std::chrono::seconds round(settings.metrics_interval_seconds);
  options.session.status_interval =
      std::min<std::chrono::milliseconds>(options.session.status_interval, round);
  return options;
}

ProfileStreamOptions MakeProfileOptions(const Settings& settings, std::function<bool()> connected) {
  ProfileStreamOptions options;
  options.node = settings.node;
  options.spool =
      MakeSpoolOptions(settings.spool_folder + "/profiles", settings.profile_spool_limit_bytes);
  options.courier.link = MakeLinkOptions(settings);
  options.courier.ready = std::move(connected);
  return options;
}

uint16_t PortOf(const std::string& target) {
  const size_t colon = target.rfind(':');
  uint16_t port = 0;
  if (colon != std::string::npos) {
    std::from_chars(target.data() + colon + 1, target.data() + target.size(), port);
  }
  return port;
}

}  // namespace huatuo
