// The text of /federate: the samples, of a histogram its parts, that selectors take.
//
// Not thread-safe.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <vector>

#include "apiserver/query/exposition.h"
#include "apiserver/query/label_text.h"
#include "apiserver/query/selector.h"
#include "apiserver/store/series.h"

namespace huatuo {

class Federation {
 public:
  // Both must outlive the object.
  Federation(std::vector<Selector> selectors, const SeriesTable& series,
             prometheus::Registry& registry, ExpositionFormat format);

  // Adds the samples that one part of a family has of one node; at last those of this process.
  // False when nothing is left.
  bool Step(Exposition& text);

 private:
  // A name that samples have: of a histogram there are three.
  struct Part {
    std::string name;
    Family family;  // what it is told as
    size_t of = 0;  // index of the family in the selection
    std::string_view suffix;
    std::vector<std::string> bounds;         // of buckets, as text
    std::vector<const Selector*> selectors;  // that take this name
  };

  void AddParts(const Family& family, size_t of, std::vector<Part>& parts) const;
  void Visit(const Part& part, const SeriesView& view, Exposition& text);
  void Offer(const Part& part, std::string_view labels, const SeriesView& view, double value,
             Exposition& text);
  void AddOwn(Exposition& text);

  const std::vector<Selector> selectors_;
  prometheus::Registry& registry_;
  const ExpositionFormat format_;
  const SeriesSelection selection_;
  std::vector<Part> parts_;
  size_t part_ = 0;
  size_t node_ = 0;
  LabelText labels_;
  std::string text_;  // labels of a bucket
};

}  // namespace huatuo
