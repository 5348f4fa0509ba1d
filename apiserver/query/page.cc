#include "apiserver/query/page.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include "apiserver/query/embedded.h"
#include "common/id.h"

namespace huatuo {
namespace {

std::string Base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

// 'sha256-…' of what stands between <tag> and </tag>.
std::string SourceHash(std::string_view page, std::string_view tag) {
  const std::string open = fmt::format("<{}>", tag);
  const size_t begin = page.find(open) + open.size();
  const size_t end = page.find(fmt::format("</{}>", tag), begin);
  return fmt::format("'sha256-{}'", Base64(Sha256(page.substr(begin, end - begin))));
}

Response MakePage() {
  Response page;
  page.content_type = "text/html; charset=utf-8";
  page.body = std::string(PageHtml());
  page.headers = {
      {"Content-Security-Policy",
       fmt::format("default-src 'none'; script-src {}; style-src {}; connect-src 'self'; "
                   "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                   SourceHash(PageHtml(), "script"), SourceHash(PageHtml(), "style"))},
      {"Referrer-Policy", "no-referrer"}};
  return page;
}

}  // namespace

const Response& PlainPage() {
  static const Response page = MakePage();
  return page;
}

}  // namespace huatuo
