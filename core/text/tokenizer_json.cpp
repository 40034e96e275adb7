#include "core/text/tokenizer_json.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/base/error.h"

namespace dsd {
namespace {

constexpr std::size_t kMostVocabularyBytes = std::size_t{16} << 20;

Vocabulary read_vocabulary(const JsonPart& part) {
  if (!part.is_object()) part.wrong(fmt::format("expected an object, found {}", part.value().type_name()));
  std::vector<std::pair<std::string, std::int32_t>> tokens;
  std::unordered_map<std::int64_t, std::string_view> owners;
  std::size_t bytes = 0;
  for (const auto& [token, value] : part.value().items()) {
    const std::int64_t id = JsonPart(value, part.place_of(token), false).integer(0, kMostTokenId);
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
  if (!part.has("type") && part.has("merges")) part.unsupported_type("BPE", "WordPiece");
  const bool unnamed_wordpiece =
      !part.has("type") && part.has("max_input_chars_per_word") && part.has("continuing_subword_prefix");
  if (!unnamed_wordpiece && part.type() != "WordPiece") part.unsupported_type(part.type(), "WordPiece");
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

// The package gives added tokens their ids by their order; a file that says otherwise is at odds with itself.
std::vector<AddedToken> read_added_tokens(const JsonPart& part, const Vocabulary& vocabulary) {
  std::vector<AddedToken> added;
  std::unordered_set<std::string> seen;
  std::int64_t next = vocabulary.count();
  for (const JsonPart& item : part.items()) {
    const JsonPart id = item["id"];
    AddedToken token = read_added_token(item, static_cast<std::int32_t>(id.integer(0, kMostTokenId)));
    if (!seen.insert(token.content).second) item.wrong(fmt::format("'{}' is added twice", printable(token.content)));
    const auto known = vocabulary.id_of(token.content);
    const std::int64_t expected = known ? *known : next;
    if (token.id != expected)
      id.wrong(fmt::format("'{}' has id {} here but {} by {}; make them one", printable(token.content), token.id,
                           expected, known ? "the vocabulary" : "its place in the list"));
    next = std::max(next, expected + 1);
    added.push_back(std::move(token));
  }
  return added;
}

bool read_truncation_side(const JsonPart& part) {
  if (!part.has("direction")) return false;
  const JsonPart direction = part["direction"];
  if (direction.text() != "Left" && direction.text() != "Right") direction.wrong("is neither 'Left' nor 'Right'");
  return direction.text() == "Left";
}

}  // namespace

AddedToken read_added_token(const JsonPart& part, std::int32_t id) {
  part.allow({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special", "__type"});
  AddedToken token;
  token.id = id;
  token.content = part["content"].text();
  if (token.content.empty()) part.wrong("has no content");
  token.single_word = part["single_word"].boolean();
  token.lstrip = part["lstrip"].boolean();
  token.rstrip = part["rstrip"].boolean();
  token.normalized = part["normalized"].boolean();
  token.special = part["special"].boolean();
  return token;
}

TokenizerParts parse_tokenizer_json(std::string_view text, const std::filesystem::path& file) {
  const nlohmann::json json = parse_json_part(text, file);
  const JsonPart root(json, file);
  root.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
              "decoder", "model"});
  if (root.has("version") && root["version"].text() != "1.0")
    root["version"].wrong(fmt::format("'{}' is not supported (supported: 1.0)", printable(root["version"].text())));
  TokenizerParts parts;
  parts.file = file;
  auto [vocabulary, model] = read_model(root["model"]);
  parts.vocabulary = std::move(vocabulary);
  parts.model = std::move(model);
  std::int64_t rows = parts.vocabulary.rows();
  if (root.has("added_tokens")) parts.added = read_added_tokens(root["added_tokens"], parts.vocabulary);
  for (const AddedToken& token : parts.added) rows = std::max<std::int64_t>(rows, token.id + 1);
  if (root.has("normalizer")) parts.normalizer = read_normalizer(root["normalizer"]);
  if (root.has("pre_tokenizer")) parts.pre_tokenizer = read_pre_tokenizer(root["pre_tokenizer"]);
  if (root.has("post_processor")) parts.around = read_post_processor(root["post_processor"], rows);
  if (root.has("decoder")) parts.decoder = read_decoder(root["decoder"]);
  // Lengths are the caller's, and nothing is ever padded; only the side that is cut is the file's.
  if (root.has("truncation")) parts.truncate_left = read_truncation_side(root["truncation"]);
  return parts;
}

}  // namespace dsd
