#include "core/text/read_vocab_json.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"
#include "core/text/merges.h"
#include "core/text/tokenizer_json.h"

namespace dsd {
namespace {

namespace fs = std::filesystem;

// The class that tokenizer_config.json names, or the one that goes with config.json's model.
std::string kind_of(const fs::path& folder, const TokenizerSettings& settings) {
  if (!settings.kind.empty()) return settings.kind;
  const fs::path file = folder / "config.json";
  if (!fs::exists(file)) return "";
  const nlohmann::json json = read_json_file(file);
  const JsonPart config(json, file);
  const std::string model = config.has("model_type") ? config["model_type"].text() : "";
  if (model == "gpt2") return "GPT2Tokenizer";
  return model == "qwen2" ? "Qwen2Tokenizer" : model;
}

std::shared_ptr<const Pattern> qwen2_words() {
  constexpr std::string_view kWords =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  return std::make_shared<const Pattern>(Pattern::regular_expression(kWords));
}

void prepare_text(const fs::path& folder, const TokenizerSettings& settings, TokenizerParts& parts) {
  const std::string kind = kind_of(folder, settings);
  if (kind == "GPT2Tokenizer") {
    parts.pre_tokenizer = {ByteLevel{settings.add_prefix_space, byte_level_words()}};
  } else if (kind == "Qwen2Tokenizer") {
    parts.normalizer = {UnicodeForm{true, false}};
    parts.pre_tokenizer = {SplitByPattern{qwen2_words(), SplitBehavior::isolated, false},
                           ByteLevel{settings.add_prefix_space, nullptr}};
  } else {
    fail(
        "{}: how text is prepared for '{}' is not known (supported: GPT2Tokenizer, Qwen2Tokenizer, named in "
        "tokenizer_config.json); save a tokenizer.json with transformers' save_pretrained()",
        parts.file.string(), printable(kind));
  }
}

// Every class of these has one token for all parts, where nothing else is said.
void add_special(const TokenizerSettings& settings, TokenizerParts& parts) {
  AddedToken usual;
  usual.content = "<|endoftext|>";
  usual.special = true;
  const std::array<const AddedToken*, 5> tokens = {&usual, &settings.bos, &settings.eos, &settings.unk, &settings.pad};
  for (const AddedToken* token : tokens) {
    const auto id = parts.vocabulary.id_of(token->content);
    const bool known = std::any_of(parts.added.begin(), parts.added.end(),
                                   [&](const AddedToken& other) { return other.content == token->content; });
    if (!id || known || token->content.empty()) continue;
    parts.added.push_back(*token);
    parts.added.back().id = *id;
  }
}

Template begun_by(std::int32_t bos) {
  using Kind = TemplatePart::Kind;
  const TemplatePart first_start{Kind::special, 0, {bos}}, second_start{Kind::special, 1, {bos}};
  const TemplatePart first{Kind::first, 0, {}}, second{Kind::second, 1, {}};
  return {{first_start, first}, {first_start, first, second_start, second}};
}

}  // namespace

TokenizerParts read_vocab_json(const fs::path& folder, const TokenizerSettings& settings) {
  TokenizerParts parts;
  parts.file = folder / "vocab.json";
  for (const char* name : {"vocab.json", "merges.txt"})
    if (!fs::exists(folder / name))
      fail("{}: no such file; vocab.json and merges.txt go together", (folder / name).string());
  const nlohmann::json json = read_json_file(parts.file);
  parts.vocabulary = read_vocabulary(JsonPart(json, parts.file));
  prepare_text(folder, settings, parts);
  Bpe model;
  model.byte_level = true;
  model.merges = read_merges_file(folder / "merges.txt", parts.vocabulary);
  parts.model = std::move(model);
  parts.decoder = {ByteLevelDecoder{}};
  add_special(settings, parts);
  if (settings.add_bos_token) {
    const std::string bos = settings.bos.content.empty() ? "<|endoftext|>" : settings.bos.content;
    const auto id = parts.vocabulary.id_of(bos);
    if (!id) fail("{}: add_bos_token is set, but '{}' is not in the vocabulary", parts.file.string(), printable(bos));
    parts.around = begun_by(*id);
  }
  return parts;
}

}  // namespace dsd
