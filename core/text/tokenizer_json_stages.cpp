// The stages before the model: normalizer and pre_tokenizer.
#include "core/base/error.h"
#include "core/text/tokenizer_json.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

BertNormalizer read_bert_normalizer(const JsonPart& part) {
  part.allow({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  BertNormalizer step;
  step.clean_text = part["clean_text"].boolean();
  step.handle_chinese_chars = part["handle_chinese_chars"].boolean();
  step.lowercase = part["lowercase"].boolean();
  step.strip_accents = part.boolean_or("strip_accents", step.lowercase);
  return step;
}

SplitBehavior read_behavior(const JsonPart& part) {
  constexpr std::pair<std::string_view, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  };
  for (const auto& [name, behavior] : kNames)
    if (part.text() == name) return behavior;
  part.wrong(fmt::format("'{}' is not supported", printable(part.text())));
}

Metaspace::Prepend read_prepend(const JsonPart& part) {
  const std::string scheme = part.has("prepend_scheme") ? part["prepend_scheme"].text() : "always";
  if (!part.boolean_or("add_prefix_space", true) && scheme != "never")
    part.wrong("'add_prefix_space' and 'prepend_scheme' do not agree");
  if (scheme == "always") return Metaspace::Prepend::always;
  if (scheme == "first") return Metaspace::Prepend::first;
  if (scheme == "never") return Metaspace::Prepend::never;
  part["prepend_scheme"].wrong(
      fmt::format("'{}' is not supported (supported: always, first, never)", printable(scheme)));
}

SplitByPattern read_split(const JsonPart& part) {
  part.allow({"type", "pattern", "behavior", "invert"});
  return {read_pattern(part["pattern"]), read_behavior(part["behavior"]), part["invert"].boolean()};
}

ByteLevel read_byte_level(const JsonPart& part) {
  part.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  return {part["add_prefix_space"].boolean(), part.boolean_or("use_regex", true) ? byte_level_words() : nullptr};
}

}  // namespace

Metaspace read_metaspace(const JsonPart& part) {
  part.allow({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  Metaspace step;
  step.replacement = read_character(part["replacement"]);
  step.prepend = read_prepend(part);
  if (part.boolean_or("split", true)) step.blank = std::make_shared<const Pattern>(Pattern::literal(step.replacement));
  return step;
}

std::shared_ptr<const Pattern> read_pattern(const JsonPart& part) {
  part.allow({"String", "Regex"});
  if (part.value().size() != 1) part.wrong("expected one of 'String' and 'Regex'");
  const bool is_regex = part.has("Regex");
  const JsonPart source = part[is_regex ? "Regex" : "String"];
  try {
    return std::make_shared<const Pattern>(is_regex ? Pattern::regular_expression(source.text())
                                                    : Pattern::literal(source.text()));
  } catch (const Error& error) {
    source.wrong(error.what());
  }
}

std::string read_character(const JsonPart& part) {
  std::size_t at = 0;
  if (!part.text().empty()) next_code_point(part.text(), at);
  if (at == 0 || at != part.text().size())
    part.wrong(fmt::format("expected one character, found '{}'", printable(part.text())));
  return part.text();
}

std::vector<NormalizerStep> read_normalizer(const JsonPart& part) {
  const std::string& type = part.type();
  if (type == "BertNormalizer") return {read_bert_normalizer(part)};
  if (type == "Strip") {
    part.allow({"type", "strip_left", "strip_right"});
    return {Strip{part["strip_left"].boolean(), part["strip_right"].boolean()}};
  }
  if (type == "Prepend") {
    part.allow({"type", "prepend"});
    return {Prepend{part["prepend"].text()}};
  }
  if (type == "Replace") {
    part.allow({"type", "pattern", "content"});
    return {Replace{read_pattern(part["pattern"]), part["content"].text()}};
  }
  if (type == "Sequence") {
    part.allow({"type", "normalizers"});
    return read_steps<NormalizerStep>(part["normalizers"], read_normalizer);
  }
  const auto without_settings = [&](NormalizerStep step) {
    part.allow({"type"});
    return std::vector<NormalizerStep>{step};
  };
  if (type == "Lowercase") return without_settings(Lowercase{});
  if (type == "StripAccents") return without_settings(StripAccents{});
  if (type == "NFC") return without_settings(UnicodeForm{true, false});
  if (type == "NFD") return without_settings(UnicodeForm{false, false});
  if (type == "NFKC") return without_settings(UnicodeForm{true, true});
  if (type == "NFKD") return without_settings(UnicodeForm{false, true});
  part.unsupported_type(
      part.type(), "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Prepend, Replace, StripAccents, Strip, Sequence");
}

std::vector<PreTokenizerStep> read_pre_tokenizer(const JsonPart& part) {
  const std::string& type = part.type();
  if (type == "Punctuation") {
    part.allow({"type", "behavior"});
    return {Punctuation{part.has("behavior") ? read_behavior(part["behavior"]) : SplitBehavior::isolated}};
  }
  if (type == "Digits") {
    part.allow({"type", "individual_digits"});
    return {Digits{part["individual_digits"].boolean()}};
  }
  if (type == "Split") return {read_split(part)};
  if (type == "ByteLevel") return {read_byte_level(part)};
  if (type == "Metaspace") return {read_metaspace(part)};
  if (type == "Sequence") {
    part.allow({"type", "pretokenizers"});
    return read_steps<PreTokenizerStep>(part["pretokenizers"], read_pre_tokenizer);
  }
  const auto without_settings = [&](PreTokenizerStep step) {
    part.allow({"type"});
    return std::vector<PreTokenizerStep>{step};
  };
  if (type == "BertPreTokenizer") return without_settings(BertPreTokenizer{});
  if (type == "Whitespace") return without_settings(Whitespace{});
  if (type == "WhitespaceSplit") return without_settings(WhitespaceSplit{});
  part.unsupported_type(
      part.type(),
      "BertPreTokenizer, ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit");
}

}  // namespace dsd
