// Tokens of a text that comes in pieces are those of the whole text.
#include "core/data/token_stream.h"

#include "core/base/random.h"
#include "core/text/utf8.h"
#include "tests/data/support.h"

#include "tests/check.h"

namespace dsd {
namespace {

using testing::Folder;
namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

Ids streamed(const Tokenizer& tokenizer, const std::string& text, std::size_t window, std::size_t piece,
             std::int64_t* forced = nullptr) {
  TokenStream stream(tokenizer, window);
  Ids ids;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.size(), at + piece);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    stream.add(std::string_view(text).substr(at, end - at), ids);
    at = end;
  }
  stream.finish(ids);
  if (forced != nullptr) *forced = stream.forced_cuts();
  return ids;
}

Ids whole(const Tokenizer& tokenizer, const std::string& text) {
  return tokenizer.encode(text, {.special_tokens = false}).ids;
}

// Words of letters, some unknown ones, accents that a normaliser drops, and runs of white space.
std::string words(std::size_t bytes) {
  std::string text;
  for (std::uint32_t i = 0; text.size() < bytes; ++i) {
    const auto random = philox({i, 0, 0, 0}, {7, 7});
    for (std::uint32_t c = 0; c <= random[0] % 9; ++c) text += static_cast<char>('a' + (random[1] >> c) % 26);
    if (random[2] % 11 == 0) text += "\xC3\xA9\xCC\x81";
    if (random[2] % 13 == 0) text += " \xE4\xB8\xAD\xE6\x96\x87 [SEP]";
    text += std::string(1 + random[3] % 3, random[3] % 7 == 0 ? '\n' : ' ');
  }
  return text;
}

TEST_CASE("windows give the tokens of the whole text") {
  const Folder folder;
  const Tokenizer tokenizer = testing::letter_tokenizer(folder);
  const std::string text = words(300'000);
  const Ids expected = whole(tokenizer, text);
  for (const std::size_t piece : {1000UL, 65536UL, 1000000UL}) {
    std::int64_t forced = 0;
    CHECK(streamed(tokenizer, text, 20'000, piece, &forced) == expected);
    CHECK(forced == 0);
  }
  CHECK(streamed(tokenizer, text, TokenStream::kWindow, 65536) == expected);
}

TEST_CASE("one stream takes text after text") {
  const Folder folder;
  const Tokenizer tokenizer = testing::letter_tokenizer(folder);
  TokenStream stream(tokenizer, 16384);
  for (const std::size_t bytes : {0UL, 10UL, 50'000UL, 3UL}) {
    const std::string text = words(bytes);
    Ids ids;
    stream.add(text, ids);
    stream.finish(ids);
    CHECK(ids == whole(tokenizer, text));
  }
}

TEST_CASE("a text without a place to cut is cut all the same, and counted") {
  const Folder folder;
  const Tokenizer tokenizer = testing::letter_tokenizer(folder);
  std::int64_t forced = 0;
  const Ids ids = streamed(tokenizer, std::string(1'000'000, 'a'), 16384, 65536, &forced);
  CHECK(forced > 0);
  CHECK(ids.size() == static_cast<std::size_t>(forced) + 1);  // each part is a word too long for the vocabulary
}

// The real vocabularies, where this checkout has them.
// WordPiece, byte-level BPE, and BPE over a text that nothing cuts beforehand.
TEST_CASE("real text and real vocabularies") {
  const fs::path shared = "../shared/data";
  for (const char* name : {"bert-base-uncased", "gpt2", "llama2"}) {
    const fs::path folder = shared / "tokenizers" / name;
    if (!fs::exists(folder)) {
      MESSAGE("skipped: no " << folder.string());
      continue;
    }
    const Tokenizer tokenizer = Tokenizer::load(folder);
    for (const char* text_name : {"lm/wikitext-2/test.txt", "lm/tinyshakespeare/input.txt", "gsm8k/test.jsonl"}) {
      CAPTURE(name);
      CAPTURE(text_name);
      std::ifstream file(shared / text_name, std::ios::binary);
      std::string text(std::istreambuf_iterator<char>(file), {});
      text.resize(std::min<std::size_t>(text.size(), 400'000));
      while (!text.empty() && check_utf8(text)) text.pop_back();
      std::int64_t forced = 0;
      CHECK(streamed(tokenizer, text, 32768, 65536, &forced) == whole(tokenizer, text));
      CHECK(forced == 0);
    }
  }
}

}  // namespace
}  // namespace dsd
