// The files of API tokens and of join tokens, which people write.
// Seeds: test/fuzz/server/tokens.yaml
#include "apiserver/access/api_tokens.h"
#include "apiserver/ingest/join_tokens.h"
#include "test/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using huatuo::Must;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto tokens = huatuo::ApiTokens::Parse(text);
  if (tokens.ok()) {
    for (const huatuo::ApiToken& token : tokens->tokens()) {
      Must(huatuo::IsTokenName(token.caller.name));
      Must(token.sha256.size() == 32);
      Must(token.caller.role != huatuo::Role::kPublic);
      Must(token.expires_ns >= 0);
    }
    Must(!tokens->Find(text, 1));
  }
  const auto joins = huatuo::JoinTokens::Parse(text);
  if (joins.ok()) Must(!joins->Check("").ok());
  return 0;
}
