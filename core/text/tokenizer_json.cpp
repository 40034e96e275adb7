#include "core/text/tokenizer_json.h"

#include <algorithm>
#include <unordered_set>

#include "core/base/error.h"

namespace dsd {
namespace {

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

// Byte-level pieces are bytes to the model, so that nothing can come between the two.
void place_byte_level(const JsonPart& root, TokenizerParts& parts) {
  const std::vector<PreTokenizerStep>& steps = parts.pre_tokenizer;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!std::holds_alternative<ByteLevel>(steps[i])) continue;
    auto* bpe = std::get_if<Bpe>(&parts.model);
    if (bpe == nullptr || i + 1 < steps.size())
      root["pre_tokenizer"].wrong("ByteLevel is supported as the last step before BPE only");
    bpe->byte_level = true;
  }
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
  place_byte_level(root, parts);
  if (root.has("post_processor")) read_post_processor(root["post_processor"], rows, parts);
  if (root.has("decoder")) parts.decoder = read_decoder(root["decoder"]);
  // Lengths are the caller's, and nothing is ever padded; only the side that is cut is the file's.
  if (root.has("truncation")) parts.truncate_left = read_truncation_side(root["truncation"]);
  return parts;
}

}  // namespace dsd
