#include "core/formats/gguf_tokenizer.h"

#include <array>

#include "core/base/error.h"
#include "core/formats/gguf_pre_tokenizer.h"
#include "core/formats/gguf_vocabulary.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kPre = "tokenizer.ggml.pre";
constexpr std::array<std::pair<const char*, const char*>, 4> kRoles = {
    {{"bos_token", "bos"}, {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"}}};

bool is_sentence_piece(const GgufFile& file) {
  const std::string_view model = GgufKeys(file).text(kModel);
  if (model != "gpt2" && model != "llama")
    fail("{}: '{}' is '{}'; supported: gpt2 (byte-level BPE), llama (SentencePiece BPE)", file.source(), kModel,
         brief(std::string(model)));
  return model == "llama";
}

PreTokenizerOfGguf pre_tokenizer_of(const GgufFile& file) {
  const std::string_view name = GgufKeys(file).text(kPre);
  const std::optional<PreTokenizerOfGguf> found = gguf_pre_tokenizer(name);
  if (!found)
    fail("{}: '{}' is '{}'; supported: {}", file.source(), kPre, brief(std::string(name)), gguf_pre_tokenizer_names());
  return *found;
}

bool adds_bos(const GgufFile& file) {
  const bool otherwise = is_sentence_piece(file) || pre_tokenizer_of(file).add_bos;
  return GgufKeys(file).boolean("tokenizer.ggml.add_bos_token", otherwise);
}

bool adds_eos(const GgufFile& file) { return GgufKeys(file).boolean("tokenizer.ggml.add_eos_token", false); }

std::string text_of(const GgufVocabulary& vocabulary, std::int64_t id) {
  return std::string(vocabulary.tokens[static_cast<std::size_t>(id)]);
}

// What converters put in place of ids that no token has.
bool is_filler(std::string_view token, std::size_t id) { return token == fmt::format("[PAD{}]", id); }

// Tokens that are matched whole before anything else: those with a role, control tokens and user-defined ones.
Json added_tokens(const GgufFile& file, const GgufVocabulary& vocabulary) {
  std::vector<bool> special(vocabulary.tokens.size());
  for (const auto& [name, role] : kRoles)
    if (const auto id = gguf_token_id(file, vocabulary, role)) special[static_cast<std::size_t>(*id)] = true;
  Json added = Json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const GgufTokenKind kind = vocabulary.kinds[id];
    if (kind == GgufTokenKind::control || kind == GgufTokenKind::unknown) special[id] = true;
    const bool user_defined = kind == GgufTokenKind::user_defined && !is_filler(vocabulary.tokens[id], id);
    if ((!special[id] && !user_defined) || vocabulary.tokens[id].empty()) continue;
    added.push_back({{"id", id},
                     {"content", vocabulary.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", static_cast<bool>(special[id])}});
  }
  return added;
}

// The token that stands at an end of each sequence: nothing where none does, an Error where the file does not name it.
std::optional<std::string> end_token(const GgufFile& file, const GgufVocabulary& vocabulary, bool wanted,
                                     const char* role) {
  if (!wanted) return std::nullopt;
  const auto id = gguf_token_id(file, vocabulary, role);
  if (!id) fail("{}: its metadata has no 'tokenizer.ggml.{}_token_id', but adds that token", file.source(), role);
  return text_of(vocabulary, *id);
}

Json post_processor(const GgufFile& file, const GgufVocabulary& vocabulary) {
  const auto bos = end_token(file, vocabulary, adds_bos(file), "bos");
  const auto eos = end_token(file, vocabulary, adds_eos(file), "eos");
  if (!bos && !eos) {
    if (is_sentence_piece(file)) return nullptr;
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  }
  Json pair = Json::array(), special = Json::object();
  const auto add_special = [&](const std::optional<std::string>& token, int type) {
    if (!token) return;
    pair.push_back({{"SpecialToken", {{"id", *token}, {"type_id", type}}}});
    special[*token] = {{"id", *token}, {"ids", {vocabulary.ids.at(*token)}}, {"tokens", {*token}}};
  };
  Json single;
  for (int type = 0; type < 2; ++type) {
    add_special(bos, type);
    pair.push_back({{"Sequence", {{"id", type == 0 ? "A" : "B"}, {"type_id", type}}}});
    add_special(eos, type);
    if (type == 0) single = pair;
  }
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

Json byte_level_decoder() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
}

// A space becomes U+2581; with `prefix` there is one before the text too.
Json metaspace(bool prefix) {
  const char* scheme = prefix ? "first" : "never";
  return {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", scheme}, {"split", false}};
}

Json metaspace_decoder(bool prefix) {
  Json decoders = Json::array();
  decoders.push_back({{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}});
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (prefix) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", std::move(decoders)}};
}

// By hand: a document in memory would walk all keys of the vocabulary for each new one.
std::string model_text(const Json& settings, const GgufVocabulary& vocabulary, const GgufMerges& merges) {
  std::string text = settings.dump();
  text.pop_back();
  text += ",\"vocab\":{";
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id)
    text += fmt::format("{}{}:{}", id > 0 ? "," : "", json_quoted(std::string(vocabulary.tokens[id])), id);
  text += "},\"merges\":[";
  for (std::size_t i = 0; i < merges.size(); ++i)
    text += fmt::format("{}[{},{}]", i > 0 ? "," : "", json_quoted(std::string(merges[i].first)),
                        json_quoted(std::string(merges[i].second)));
  return text + "]}";
}

}  // namespace

std::string gguf_tokenizer_json(const GgufFile& file) {
  const bool pieces = is_sentence_piece(file);
  const PreTokenizerOfGguf pre = pieces ? PreTokenizerOfGguf() : pre_tokenizer_of(file);
  const GgufVocabulary vocabulary = read_gguf_vocabulary(file);
  const auto unknown = pieces ? gguf_token_id(file, vocabulary, "unknown") : std::nullopt;
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", unknown ? Json(text_of(vocabulary, *unknown)) : Json(nullptr)},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", pieces},
                      {"byte_fallback", pieces},
                      {"ignore_merges", pre.ignore_merges}};
  const bool prefix = GgufKeys(file).boolean("tokenizer.ggml.add_space_prefix", true);
  const Json parts = {{"version", "1.0"},
                      {"truncation", nullptr},
                      {"padding", nullptr},
                      {"added_tokens", added_tokens(file, vocabulary)},
                      {"normalizer", pre.normalizer},
                      {"pre_tokenizer", pieces ? metaspace(prefix) : pre.pre_tokenizer},
                      {"post_processor", post_processor(file, vocabulary)},
                      {"decoder", pieces ? metaspace_decoder(prefix) : byte_level_decoder()}};
  const GgufMerges merges = pieces && !GgufKeys(file).has("tokenizer.ggml.merges") ? merges_of_scores(file, vocabulary)
                                                                                   : read_gguf_merges(file, vocabulary);
  std::string text = parts.dump();
  text.pop_back();
  return text + ",\"model\":" + model_text(model, vocabulary, merges) + "}\n";
}

std::string gguf_tokenizer_config(const GgufFile& file) {
  const GgufKeys keys(file);
  const GgufVocabulary vocabulary = read_gguf_vocabulary(file);
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"add_bos_token", adds_bos(file)},
                 {"add_eos_token", adds_eos(file)},
                 {"clean_up_tokenization_spaces", false}};
  for (const auto& [name, role] : kRoles)
    if (const auto id = gguf_token_id(file, vocabulary, role)) config[name] = text_of(vocabulary, *id);
  constexpr const char* kTemplate = "tokenizer.chat_template";
  if (keys.has(kTemplate)) {
    if (!is_utf8(keys.text(kTemplate))) fail("{}: '{}' is not valid UTF-8", file.source(), kTemplate);
    config["chat_template"] = keys.text(kTemplate);
  }
  const std::string length = fmt::format("{}.context_length", keys.text("general.architecture", ""));
  if (keys.has(length)) config["model_max_length"] = keys.integer(length, 1, INT32_MAX);
  return write_json(config);
}

}  // namespace dsd
