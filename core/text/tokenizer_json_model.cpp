// The model of tokenizer.json: its vocabulary, WordPiece, BPE.
#include <unordered_map>

#include "core/base/error.h"
#include "core/text/tokenizer_json.h"

namespace dsd {
namespace {

constexpr std::size_t kMostVocabularyBytes = std::size_t{16} << 20;

std::pair<Vocabulary, TokenizerModel> read_wordpiece(const JsonPart& part) {
  part.allow({"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  Vocabulary vocabulary = read_vocabulary(part["vocab"]);
  WordPiece model;
  const JsonPart unknown = part["unk_token"];
  const auto id = vocabulary.id_of(unknown.text());
  if (!id) unknown.wrong(fmt::format("'{}' is not in the vocabulary", printable(unknown.text())));
  model.unknown_id = *id;
  model.continuing_prefix = part["continuing_subword_prefix"].text();
  model.max_input_chars_per_word = part["max_input_chars_per_word"].integer(0, std::int64_t{1} << 31);
  return {std::move(vocabulary), model};
}

std::string text_or_empty(const JsonPart& part, std::string_view key) {
  return part.has(key) ? part[key].text() : std::string();
}

void refuse_dropout(const JsonPart& part) {
  if (!part.has("dropout")) return;
  const JsonPart dropout = part["dropout"];
  if (!dropout.value().is_number())
    dropout.wrong(fmt::format("expected a number, found {}", dropout.value().type_name()));
  if (dropout.value().get<double>() != 0)
    dropout.wrong("leaving merges out at random is not supported; set it to null");
}

// A merge as two texts: ["a", "b"], or "a b" in older files. Its place is put into words for complaints only.
std::pair<std::string_view, std::string_view> read_pair(const JsonPart& list, const nlohmann::json& value,
                                                        std::size_t number) {
  const auto wrong = [&](std::string_view complaint) { list.wrong(fmt::format("number {}: {}", number, complaint)); };
  if (value.is_array()) {
    if (value.size() != 2 || !value[0].is_string() || !value[1].is_string()) wrong("expected two tokens");
    return {value[0].get_ref<const std::string&>(), value[1].get_ref<const std::string&>()};
  }
  if (!value.is_string()) wrong("expected two tokens");
  const auto pair = split_merge(value.get_ref<const std::string&>());
  if (!pair)
    wrong(fmt::format("expected two tokens with a blank between, found '{}'", printable(value.get<std::string>())));
  return *pair;
}

std::vector<Bpe::Merge> read_merges(const JsonPart& part, const Vocabulary& vocabulary, std::string_view prefix) {
  if (!part.value().is_array()) part.wrong(fmt::format("expected a list, found {}", part.value().type_name()));
  std::vector<Bpe::Merge> merges;
  merges.reserve(part.value().size());
  std::size_t number = 0;
  for (const nlohmann::json& value : part.value()) {
    ++number;
    if (value.is_string() && value.get_ref<const std::string&>().starts_with("#version")) continue;
    const auto [left, right] = read_pair(part, value, number);
    std::string complaint;
    const auto merge = find_merge(vocabulary, left, right, prefix, complaint);
    if (!merge) part.wrong(fmt::format("number {}: {}", number, complaint));
    merges.push_back(*merge);
  }
  return merges;
}

std::pair<Vocabulary, TokenizerModel> read_bpe(const JsonPart& part) {
  part.allow({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
              "byte_fallback", "ignore_merges", "vocab", "merges"});
  refuse_dropout(part);
  Vocabulary vocabulary = read_vocabulary(part["vocab"]);
  Bpe model;
  model.unknown_token = text_or_empty(part, "unk_token");
  model.continuing_prefix = text_or_empty(part, "continuing_subword_prefix");
  model.end_suffix = text_or_empty(part, "end_of_word_suffix");
  model.fuse_unknown = part.boolean_or("fuse_unk", false);
  model.byte_fallback = part.boolean_or("byte_fallback", false);
  model.ignore_merges = part.boolean_or("ignore_merges", false);
  model.merges = read_merges(part["merges"], vocabulary, model.continuing_prefix);
  return {std::move(vocabulary), std::move(model)};
}

}  // namespace

Vocabulary read_vocabulary(const JsonPart& part) {
  if (!part.is_object()) part.wrong(fmt::format("expected an object, found {}", part.value().type_name()));
  std::vector<std::pair<std::string, std::int32_t>> tokens;
  std::unordered_map<std::int64_t, std::string_view> owners;
  std::size_t bytes = 0;
  for (const auto& [token, value] : part.value().items()) {
    const bool is_plain = value.is_number_unsigned() && value.get<std::uint64_t>() <= kMostTokenId;
    if (!is_plain) JsonPart(value, part.place_of(token), false).integer(0, kMostTokenId);  // complains
    const auto id = value.get<std::int64_t>();
    const auto [owner, is_new] = owners.emplace(id, token);
    if (!is_new)
      part.wrong(fmt::format("'{}' and '{}' both have id {}", printable(owner->second), printable(token), id));
    tokens.emplace_back(token, static_cast<std::int32_t>(id));
    bytes += token.size();
  }
  if (tokens.empty()) part.wrong("has no token");
  if (bytes > kMostVocabularyBytes)
    part.wrong(fmt::format("has {} bytes of tokens; at most {} are read", bytes, kMostVocabularyBytes));
  return Vocabulary(std::move(tokens));
}

std::pair<Vocabulary, TokenizerModel> read_model(const JsonPart& part) {
  // Old files do not name the model, its fields do: merges are BPE's, the two below WordPiece's alone.
  if (!part.has("type") && part.has("merges")) return read_bpe(part);
  if (!part.has("type") && part.has("continuing_subword_prefix") && part.has("max_input_chars_per_word"))
    return read_wordpiece(part);
  if (part.type() == "BPE") return read_bpe(part);
  if (part.type() == "WordPiece") return read_wordpiece(part);
  part.unsupported_type(part.type(), "BPE, WordPiece");
}

}  // namespace dsd
