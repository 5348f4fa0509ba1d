// The containers of pods that the series of one node are of, with the text of their labels.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/store/series.h"

namespace huatuo {

class SeriesSubjects {
 public:
  struct Subject {
    v1::Container container;
    std::shared_ptr<const Pod> pod;  // null: the cluster has not told of it yet
    std::string labels;
    std::vector<uint32_t> series;  // ids that were announced for it
    bool stale = false;            // some of its series have another text
    int64_t looked_ns = 0;
  };

  // `pods` must outlive the object.
  explicit SeriesSubjects(const SeriesPods& pods) : pods_(pods) {}

  // The text for a container that the cluster cannot know of, or does not know yet.
  std::string Unnamed(const v1::Container& container) const;

  // Null for what is of no pod. Valid until its last series is removed.
  Subject* Find(const v1::Container& container);
  void Remove(Subject& subject, uint32_t series);
  void Clear() { subjects_.clear(); }

  // Those whose series need the text that they now have: unknown pods are looked for each time,
  // known ones looked at every ten seconds.
  std::vector<Subject*> Changed(int64_t now_ns);

 private:
  void Look(Subject& subject, int64_t now_ns) const;

  const SeriesPods& pods_;
  std::map<std::string, Subject> subjects_;  // by container id, else pod uid
};

}  // namespace huatuo
