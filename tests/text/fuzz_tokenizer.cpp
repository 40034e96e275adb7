// Any bytes: before the first NUL a tokenizer.json, behind it text. Both are taken or refused with an Error; a token's
// place lies within the text, and what becomes of ids is valid text.

#include <cstdlib>

#include "core/base/error.h"
#include "core/text/decode_stream.h"
#include "core/text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dsd;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const std::string_view text = input.substr(std::min(cut + 1, input.size()));
  try {
    const Tokenizer tokenizer(parse_tokenizer_json(input.substr(0, cut), "input"));
    EncodeOptions options;
    options.spans = true;
    const Encoding encoding = tokenizer.encode_pair(text, text.substr(0, text.size() / 2), options);
    if (encoding.spans.size() != encoding.ids.size()) std::abort();
    for (const auto& [begin, end] : encoding.spans)
      if (begin < 0 || begin > end || end > static_cast<std::int64_t>(text.size())) std::abort();
    for (const std::int32_t id : encoding.ids)
      if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
    DecodeStream stream(tokenizer);
    std::string text_again;
    for (const std::int32_t id : encoding.ids) text_again += stream.push(id);
    text_again += stream.finish();
    // Each piece that is handed out is whole characters.
    if (check_utf8(text_again) || check_utf8(tokenizer.decode(encoding.ids))) std::abort();
  } catch (const Error&) {}
  return 0;
}
