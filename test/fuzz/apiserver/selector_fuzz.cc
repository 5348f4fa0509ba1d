// The selectors of /federate, and the series that they are tried on.
// Seeds: test/apiserver/query/selector_test.cc
#include "apiserver/query/selector.h"
#include "apiserver/store/series_labels.h"
#include "test/fuzz/must.h"

namespace {

using huatuo::Must;

// What is written as a label's value is read as it was.
void ReadAgain(std::string_view value) {
  std::string text = "a=\"";
  huatuo::AppendEscaped(text, value);
  text += "\",b=\"c\"";
  huatuo::LabelText labels;
  labels.Read(text);
  Must(labels.Value("a") == value);
  Must(labels.Value("b") == "c");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ReadAgain(text);
  // Anything may stand where labels do: none of it is read beyond its end.
  huatuo::LabelText labels;
  labels.Read(text);
  const auto parsed = huatuo::Selector::Parse(text);
  if (const auto* error = std::get_if<huatuo::TextError>(&parsed)) {
    Must(error->position <= size);
    Must(!error->what.empty());
    return 0;
  }
  const auto& selector = std::get<huatuo::Selector>(parsed);
  (void)selector.TakesName(text);
  (void)selector.TakesLabels(labels);
  // One matcher at least wants something.
  huatuo::LabelText none;
  Must(!selector.TakesName("") || !selector.TakesLabels(none));
  return 0;
}
