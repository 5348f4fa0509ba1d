// Store semantics as text: commands and what they print, the same for every store.
//
//   > command key=value key=value      a command; in values \s is a space, \n \\ \xHH as in C
//   what it prints
//   # a comment, anywhere
//
//   commit node epoch high uploaded    begins a commit; `event`, `subject` and `reject` add to it
//   event seq id tracer time task doc fill     (fill: so many bytes "x" before doc)
//   subject role ns pod uid container cid      of the last event
//   reject seq reason entry
//   append                             all commits since the last one
//   query tracer node ns pod container task text from to order after limit
//   count step + the filters of query
//   get id | high node epoch | newest | rejected node limit | put kind key value
//   swap kind key [expected] value | fact kind key | facts kind | use | prune age now | halve
//   save id version tool state ended doc | task id | tasks open state tool before limit
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "apiserver/store/store.h"

namespace huatuo {

class Script {
 public:
  // `store` is asked for before each command, so that a test can open it anew in between.
  explicit Script(std::function<Store&()> store) : store_(std::move(store)) {}

  // The text with what the commands really print.
  std::string Run(const std::string& text);

 private:
  using Arguments = std::map<std::string, std::string>;
  std::string Do(const std::string& command, const Arguments& arguments);
  std::string Add(const std::string& command, const Arguments& arguments);
  std::string Query(const Arguments& arguments);
  std::string Count(const Arguments& arguments);
  std::string Halve();
  static std::string Ask(Store& store, const std::string& command, const Arguments& arguments);
  static std::string Task(Store& store, const std::string& command, const Arguments& arguments);
  static std::string List(Store& store, const std::string& command, const Arguments& arguments);

  std::function<Store&()> store_;
  std::vector<NodeCommit> commits_;
};

}  // namespace huatuo
