// Files of events.
#include "apiserver/sink/file_sink.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "test/apiserver/store/fixture.h"

namespace huatuo {
namespace {

std::vector<StoredEvent> Documents(const std::vector<std::string>& documents) {
  std::vector<StoredEvent> events(documents.size());
  for (size_t i = 0; i < events.size(); ++i) events[i].row.document = documents[i];
  return events;
}

// "name: content" of each file, newlines as |.
std::string Files(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path());
    std::string text{std::istreambuf_iterator<char>(in), {}};
    std::replace(text.begin(), text.end(), '\n', '|');
    files.push_back(fmt::format("{}: {}", entry.path().filename().string(), text));
  }
  std::sort(files.begin(), files.end());
  return fmt::format("{}", fmt::join(files, "\n"));
}

}  // namespace

TEST_CASE("files rotate by size, and the oldest go") {
  const TempDir folder;
  const auto sink = Get(FileSink::Open({folder / "events", 12, 3}));
  CHECK(Get(sink->Deliver(Documents({"{\"a\":1}", "{}"}))) == 0);
  CHECK(Files(folder / "events") == "events.ndjson: {\"a\":1}|{}|");
  CHECK(Get(sink->Deliver(Documents({"{\"b\":2}", "{\"c\":33}"}))) == 0);
  CHECK(Files(folder / "events") ==
        "events.1.ndjson: {\"b\":2}|\nevents.2.ndjson: {\"a\":1}|{}|\nevents.ndjson: {\"c\":33}|");
  CHECK(Get(sink->Deliver(Documents({"{\"d\":44}"}))) == 0);
  CHECK(Files(folder / "events") ==
        "events.1.ndjson: {\"c\":33}|\nevents.2.ndjson: {\"b\":2}|\nevents.ndjson: {\"d\":44}|");
}

TEST_CASE("a document larger than a file is left out and told") {
  const TempDir folder;
  const auto sink = Get(FileSink::Open({folder / "events", 12, 2}));
  CHECK(Get(sink->Deliver(Documents({"{}", std::string(12, 'x'), "{\"a\":1}"}))) == 1);
  CHECK(Files(folder / "events") == "events.ndjson: {}|{\"a\":1}|");
}

TEST_CASE("a file goes on after a restart; a line that was cut short is taken back") {
  const TempDir folder;
  Get(Get(FileSink::Open({folder / "events"}))->Deliver(Documents({"{\"a\":1}"})));
  std::ofstream(folder / "events/events.ndjson", std::ios::app)
      << "{\"cut\":" << std::string(9000, 'x');
  const auto sink = Get(FileSink::Open({folder / "events"}));
  Get(sink->Deliver(Documents({"{\"b\":2}"})));
  CHECK(Files(folder / "events") == "events.ndjson: {\"a\":1}|{\"b\":2}|");
}

TEST_CASE("a folder that cannot be is refused, naming it") {
  const TempDir folder;
  std::ofstream(folder / "file") << "x";
  CHECK(Message(FileSink::Open({folder / "file/events"}).status()) ==
        "create " + folder.path() + "/file/events: Not a directory");
}

}  // namespace huatuo
