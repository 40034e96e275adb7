#pragma once
// The first stage: text becomes the text that is looked up. Steps are a closed set; a `Sequence` of tokenizer.json is
// its steps one after another.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/text/pattern.h"
#include "core/text/span.h"

namespace dsd {

struct BertNormalizer {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;  // a null in the file has become the value of `lowercase`
  bool lowercase = true;
};
struct Lowercase {};
struct UnicodeForm {
  bool composed = false;    // NFC, NFKC
  bool compatible = false;  // NFKC, NFKD
};
struct StripAccents {};
struct Strip {
  bool left = true;
  bool right = true;
};
struct Prepend {
  std::string text;  // before what is not empty
};
struct Replace {
  std::shared_ptr<const Pattern> pattern;
  std::string content;
};
using NormalizerStep = std::variant<BertNormalizer, Lowercase, UnicodeForm, StripAccents, Strip, Prepend, Replace>;

struct NormalizedText {
  std::string text;
  std::vector<ByteSpan> origin;  // for each byte of `text`, where it comes from; empty unless asked for

  // Adds text that stands for what comes from `source`.
  void append(std::string_view more, ByteSpan source, bool with_origin) {
    text += more;
    if (with_origin) origin.insert(origin.end(), more.size(), source);
  }
};

// `text` is valid UTF-8. Places in `origin` count from the start of `text`.
void normalize(std::span<const NormalizerStep> steps, std::string_view text, bool with_origin, NormalizedText& out);

}  // namespace dsd
