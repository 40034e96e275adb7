// The stages around the model: normalizer, pre_tokenizer, post_processor, decoder.
#include "core/base/error.h"
#include "core/text/tokenizer_json.h"

namespace dsd {
namespace {

template <class Step>
void append(std::vector<Step>& steps, std::vector<Step> more) {
  steps.insert(steps.end(), more.begin(), more.end());
}

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

std::vector<TemplatePart> read_template(const JsonPart& part, const JsonPart& special_tokens, std::int64_t rows) {
  using Kind = TemplatePart::Kind;
  constexpr std::int64_t kMostSegment = 1 << 16;
  std::vector<TemplatePart> out;
  for (const JsonPart& item : part.items()) {
    item.allow({"SpecialToken", "Sequence"});
    if (item.value().size() != 1) item.wrong("expected one of 'SpecialToken' and 'Sequence'");
    const bool is_special = item.has("SpecialToken");
    const JsonPart inner = item[is_special ? "SpecialToken" : "Sequence"];
    inner.allow({"id", "type_id"});
    const auto segment = static_cast<std::int32_t>(inner["type_id"].integer(0, kMostSegment));
    const std::string& name = inner["id"].text();
    if (!is_special) {
      if (name != "A" && name != "B") inner["id"].wrong(fmt::format("'{}' is neither 'A' nor 'B'", printable(name)));
      out.push_back({name == "A" ? Kind::first : Kind::second, segment, {}});
      continue;
    }
    if (!special_tokens.has(name)) inner["id"].wrong(fmt::format("'{}' is not in special_tokens", printable(name)));
    TemplatePart special{Kind::special, segment, {}};
    for (const JsonPart& id : special_tokens[name]["ids"].items())
      special.ids.push_back(static_cast<std::int32_t>(id.integer(0, rows - 1)));
    out.push_back(std::move(special));
  }
  return out;
}

std::int32_t read_bert_end(const JsonPart& part, std::int64_t rows) {
  const std::vector<JsonPart> items = part.items();
  if (items.size() != 2) part.wrong("expected a token and its id");
  items[0].text();
  return static_cast<std::int32_t>(items[1].integer(0, rows - 1));
}

}  // namespace

std::vector<NormalizerStep> read_normalizer(const JsonPart& part) {
  const std::string& type = part.type();
  if (type == "BertNormalizer") return {read_bert_normalizer(part)};
  if (type == "Strip") {
    part.allow({"type", "strip_left", "strip_right"});
    return {Strip{part["strip_left"].boolean(), part["strip_right"].boolean()}};
  }
  if (type == "Sequence") {
    part.allow({"type", "normalizers"});
    std::vector<NormalizerStep> steps;
    for (const JsonPart& item : part["normalizers"].items()) append(steps, read_normalizer(item));
    return steps;
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
  part.unsupported_type(part.type(), "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, StripAccents, Strip, Sequence");
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
  if (type == "Sequence") {
    part.allow({"type", "pretokenizers"});
    std::vector<PreTokenizerStep> steps;
    for (const JsonPart& item : part["pretokenizers"].items()) append(steps, read_pre_tokenizer(item));
    return steps;
  }
  const auto without_settings = [&](PreTokenizerStep step) {
    part.allow({"type"});
    return std::vector<PreTokenizerStep>{step};
  };
  if (type == "BertPreTokenizer") return without_settings(BertPreTokenizer{});
  if (type == "Whitespace") return without_settings(Whitespace{});
  if (type == "WhitespaceSplit") return without_settings(WhitespaceSplit{});
  part.unsupported_type(part.type(), "BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, Sequence");
}

Template bert_template(std::int32_t cls, std::int32_t sep) {
  using Kind = TemplatePart::Kind;
  const TemplatePart start{Kind::special, 0, {cls}}, end{Kind::special, 0, {sep}}, second_end{Kind::special, 1, {sep}};
  const TemplatePart first{Kind::first, 0, {}}, second{Kind::second, 1, {}};
  return {{start, first, end}, {start, first, end, second, second_end}};
}

Template read_post_processor(const JsonPart& part, std::int64_t rows) {
  const std::string& type = part.type();
  if (type == "BertProcessing") {
    part.allow({"type", "sep", "cls"});
    return bert_template(read_bert_end(part["cls"], rows), read_bert_end(part["sep"], rows));
  }
  if (type != "TemplateProcessing") part.unsupported_type(part.type(), "BertProcessing, TemplateProcessing");
  part.allow({"type", "single", "pair", "special_tokens"});
  const JsonPart special_tokens = part["special_tokens"];
  return {read_template(part["single"], special_tokens, rows), read_template(part["pair"], special_tokens, rows)};
}

Decoder read_decoder(const JsonPart& part) {
  if (part.type() != "WordPiece") part.unsupported_type(part.type(), "WordPiece");
  part.allow({"type", "prefix", "cleanup"});
  return WordPieceDecoder{part["prefix"].text(), part["cleanup"].boolean()};
}

}  // namespace dsd
