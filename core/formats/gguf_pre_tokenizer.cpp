#include "core/formats/gguf_pre_tokenizer.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace dsd {
namespace {

enum class Style { gpt2, digits, llama3, qwen2, tekken, deepseek_llm, deepseek_coder, deepseek_v3 };

constexpr struct {
  std::string_view name;
  Style style;
} kNames[] = {
    {"gpt-2", Style::gpt2},
    {"phi-2", Style::gpt2},
    {"smollm", Style::digits},
    {"starcoder", Style::digits},
    {"refact", Style::digits},
    {"codeshell", Style::digits},
    {"llama-bpe", Style::llama3},
    {"llama3", Style::llama3},
    {"llama-v3", Style::llama3},
    {"qwen2", Style::qwen2},
    {"deepseek-r1-qwen", Style::qwen2},
    {"tekken", Style::tekken},
    {"deepseek-llm", Style::deepseek_llm},
    {"deepseek-coder", Style::deepseek_coder},
    {"deepseek-v3", Style::deepseek_v3},
};

// The patterns as the models' own tokenizer.json have them, so that they are recognised by their text.
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                                R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                                R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kDeepseekV3 =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";
constexpr const char* kKanaAndHan = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr const char* kEastAsian = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
constexpr const char* kMarks = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";
constexpr const char* kCasedLetters =
    "\\s?["
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
    "\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b"
    "\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
    "\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df"
    "\U0001e900-\U0001e943"
    "]+";

Json split(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json digits() { return {{"type", "Digits"}, {"individual_digits", true}}; }

Json sequence(std::vector<Json> steps, Json last) {
  steps.push_back(std::move(last));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

PreTokenizerOfGguf of_style(Style style) {
  const Json bytes = byte_level(false);
  switch (style) {
    case Style::gpt2:
      return {.pre_tokenizer = byte_level(true)};
    case Style::digits:
      return {.pre_tokenizer = sequence({digits()}, byte_level(true))};
    case Style::llama3:
      return {.pre_tokenizer = sequence({split(kLlama3)}, bytes), .ignore_merges = true, .add_bos = true};
    case Style::qwen2:
      return {.normalizer = {{"type", "NFC"}}, .pre_tokenizer = sequence({split(kQwen2)}, bytes)};
    case Style::tekken:
      return {.pre_tokenizer = sequence({split(kTekken)}, bytes), .ignore_merges = true, .add_bos = true};
    case Style::deepseek_llm:
      return {.pre_tokenizer = sequence(
                  {split("[\r\n]"), split(kCasedLetters), split(kMarks), split("\\s+$"), split(kEastAsian), digits()},
                  bytes)};
    case Style::deepseek_coder:
      return {.pre_tokenizer = sequence(
                  {split("[\r\n]"), split("\\s?\\p{L}+"), split("\\s?\\p{P}+"), split(kEastAsian), digits()}, bytes)};
    case Style::deepseek_v3:
      return {.pre_tokenizer = sequence({split("\\p{N}{1,3}"), split(kKanaAndHan), split(kDeepseekV3)}, bytes)};
  }
  return {};
}

}  // namespace

std::optional<PreTokenizerOfGguf> gguf_pre_tokenizer(std::string_view name) {
  for (const auto& known : kNames)
    if (known.name == name) return of_style(known.style);
  return std::nullopt;
}

std::string gguf_pre_tokenizer_names() {
  std::string all;
  for (const auto& known : kNames) all.append(all.empty() ? "" : ", ").append(known.name);
  return all;
}

}  // namespace dsd
