// The target of a request and the query parameters that choose events.
// Seeds: test/apiserver/query/routes_test.cc
#include "apiserver/query/event_filter.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using huatuo::Must;
  huatuo::Request request;
  if (!huatuo::ParseTarget({reinterpret_cast<const char*>(data), size}, request)) return 0;
  Must(request.path.starts_with('/'));
  static const std::vector<huatuo::Param> kParams = [] {
    std::vector<huatuo::Param> params = huatuo::FilterParams();
    for (huatuo::Param& param : huatuo::RangeParams()) params.push_back(std::move(param));
    params.push_back({.name = "match[]", .repeated = true});
    params.push_back({.name = "limit", .kind = huatuo::Param::Kind::kCount, .maximum = 1000});
    return params;
  }();
  huatuo::Response problem;
  const auto values = huatuo::ReadParams(kParams, request, problem);
  if (!values) {
    Must(problem.status == 400);
    huatuo::MustBeText(problem.body);
    return 0;
  }
  Must(values->Count("limit", 7) <= 1000);
  for (const std::string& text : values->List("match[]")) Must(!text.empty());
  (void)huatuo::FilterOf(*values, 1'800'000'000'000'000'000);
  return 0;
}
