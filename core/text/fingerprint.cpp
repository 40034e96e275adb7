#include "core/text/fingerprint.h"

#include <algorithm>
#include <string_view>

namespace dsd {
namespace {

// Every struct tells its name and its fields, so that no two mean the same to the hash.
void add(Hasher& hash, const BertNormalizer& step) {
  hash.text("BertNormalizer").number(step.clean_text).number(step.handle_chinese_chars);
  hash.number(step.strip_accents).number(step.lowercase);
}
void add(Hasher& hash, const Lowercase&) { hash.text("Lowercase"); }
void add(Hasher& hash, const UnicodeForm& step) {
  hash.text("UnicodeForm").number(step.composed).number(step.compatible);
}
void add(Hasher& hash, const StripAccents&) { hash.text("StripAccents"); }
void add(Hasher& hash, const Strip& step) { hash.text("Strip").number(step.left).number(step.right); }

void add(Hasher& hash, const Pattern& pattern) { hash.number(pattern.is_literal()).text(pattern.source()); }
void add(Hasher& hash, const Prepend& step) { hash.text("Prepend").text(step.text); }
void add(Hasher& hash, const Replace& step) {
  hash.text("Replace").text(step.content);
  add(hash, *step.pattern);
}

void add(Hasher& hash, const BertPreTokenizer&) { hash.text("BertPreTokenizer"); }
void add(Hasher& hash, const Whitespace&) { hash.text("Whitespace"); }
void add(Hasher& hash, const WhitespaceSplit&) { hash.text("WhitespaceSplit"); }
void add(Hasher& hash, const Punctuation& step) {
  hash.text("Punctuation").number(static_cast<std::uint64_t>(step.behavior));
}
void add(Hasher& hash, const Digits& step) { hash.text("Digits").number(step.individual_digits); }

void add(Hasher& hash, const SplitByPattern& step) {
  hash.text("SplitByPattern").number(static_cast<std::uint64_t>(step.behavior)).number(step.invert);
  add(hash, *step.pattern);
}
void add(Hasher& hash, const ByteLevel& step) {
  hash.text("ByteLevel").number(step.add_prefix_space).number(step.words != nullptr);
}
void add(Hasher& hash, const Metaspace& step) {
  hash.text("Metaspace").text(step.replacement).number(static_cast<std::uint64_t>(step.prepend));
  hash.number(step.blank != nullptr);
}

void add(Hasher& hash, const WordPiece& model) {
  hash.text("WordPiece").number(static_cast<std::uint64_t>(model.unknown_id)).text(model.continuing_prefix);
  hash.number(static_cast<std::uint64_t>(model.max_input_chars_per_word));
}

void add(Hasher& hash, const Bpe& model) {
  hash.text("Bpe").text(model.unknown_token).text(model.continuing_prefix).text(model.end_suffix);
  for (const bool flag : {model.fuse_unknown, model.byte_fallback, model.ignore_merges, model.byte_level})
    hash.number(flag);
  hash.number(model.merges.size());
  for (const auto& [left, right, whole] : model.merges)
    for (const std::int32_t id : {left, right, whole}) hash.number(static_cast<std::uint64_t>(id));
}

void add(Hasher& hash, const std::vector<TemplatePart>& parts) {
  hash.text("Template").number(parts.size());
  for (const TemplatePart& part : parts) {
    hash.number(static_cast<std::uint64_t>(part.kind)).number(static_cast<std::uint64_t>(part.segment));
    hash.values(std::span<const std::int32_t>(part.ids));
  }
}

template <class Step>
void add_steps(Hasher& hash, const std::vector<Step>& steps) {
  hash.number(steps.size());
  for (const Step& step : steps) std::visit([&](const auto& each) { add(hash, each); }, step);
}

}  // namespace

Key128 fingerprint_of(const TokenizerParts& parts) {
  Hasher hash;
  hash.number(static_cast<std::uint64_t>(parts.vocabulary.rows()));
  for (std::int32_t id = 0; id < parts.vocabulary.rows(); ++id)
    hash.text(parts.vocabulary.token_of(id).value_or(std::string_view{}));
  std::vector<AddedToken> added = parts.added;
  std::sort(added.begin(), added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  hash.number(added.size());
  for (const AddedToken& token : added) {
    hash.number(static_cast<std::uint64_t>(token.id)).text(token.content);
    for (const bool flag : {token.single_word, token.lstrip, token.rstrip, token.normalized}) hash.number(flag);
  }
  add_steps(hash, parts.normalizer);
  add_steps(hash, parts.pre_tokenizer);
  std::visit([&](const auto& model) { add(hash, model); }, parts.model);
  add(hash, parts.around.single);
  add(hash, parts.around.pair);
  return hash.key();
}

}  // namespace dsd
