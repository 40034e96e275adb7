#include "core/text/tokenizer_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/text/json_part.h"
#include "core/text/tokenizer_json.h"

namespace dsd {
namespace {

// A token's name, or the object that transformers writes for one with flags.
void read_name(const JsonPart& settings, std::string_view key, AddedToken& token) {
  if (!settings.has(key)) return;
  const JsonPart part = settings[key];
  if (part.is_text()) {
    token.content = part.text();
    return;
  }
  token.content = part["content"].text();
  token.single_word = part.boolean_or("single_word", false);
  token.lstrip = part.boolean_or("lstrip", false);
  token.rstrip = part.boolean_or("rstrip", false);
  token.normalized = part.boolean_or("normalized", false);
}

void read_names(const JsonPart& settings, TokenizerSettings& out) {
  read_name(settings, "pad_token", out.pad);
  read_name(settings, "cls_token", out.cls);
  read_name(settings, "sep_token", out.sep);
  read_name(settings, "mask_token", out.mask);
  read_name(settings, "unk_token", out.unk);
  read_name(settings, "bos_token", out.bos);
  read_name(settings, "eos_token", out.eos);
}

std::vector<AddedToken> read_added_decoder(const JsonPart& part) {
  std::vector<AddedToken> added;
  if (!part.is_object()) part.wrong("expected an object");
  for (const auto& [key, unused] : part.value().items()) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc{} || end != key.data() + key.size() || id < 0 || id > kMostTokenId)
      part.wrong(fmt::format("'{}' is not an id", printable(key)));
    added.push_back(read_added_token(part[key], id));
  }
  std::sort(added.begin(), added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return added;
}

AddedToken special_token(std::string content) {
  AddedToken token;
  token.content = std::move(content);
  token.special = true;
  return token;
}

void read_config(const JsonPart& config, TokenizerSettings& out) {
  read_names(config, out);
  out.do_lower_case = config.boolean_or("do_lower_case", true);
  out.tokenize_chinese_chars = config.boolean_or("tokenize_chinese_chars", true);
  out.add_prefix_space = config.boolean_or("add_prefix_space", false);
  out.add_bos_token = config.boolean_or("add_bos_token", false);
  if (config.has("tokenizer_class")) {
    constexpr std::string_view kFast = "Fast";
    out.kind = config["tokenizer_class"].text();
    if (out.kind.ends_with(kFast)) out.kind.resize(out.kind.size() - kFast.size());
  }
  if (config.has("strip_accents")) out.strip_accents = config["strip_accents"].boolean();
  if (config.has("truncation_side")) {
    const JsonPart side = config["truncation_side"];
    if (side.text() != "left" && side.text() != "right") side.wrong("is neither 'left' nor 'right'");
    out.truncate_left = side.text() == "left";
  }
  if (config.has("added_tokens_decoder")) out.added = read_added_decoder(config["added_tokens_decoder"]);
}

TokenizerSettings silent_settings() {
  TokenizerSettings out;
  out.pad = special_token("[PAD]");
  out.cls = special_token("[CLS]");
  out.sep = special_token("[SEP]");
  out.mask = special_token("[MASK]");
  out.unk = special_token("[UNK]");
  out.bos = special_token("");
  out.eos = special_token("");
  return out;
}

}  // namespace

TokenizerSettings read_tokenizer_settings(const std::filesystem::path& folder) {
  TokenizerSettings out = silent_settings();
  // The configuration has the last word: transformers writes the map for older versions of itself.
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    const std::filesystem::path file = folder / name;
    if (!std::filesystem::exists(file)) continue;
    const nlohmann::json json = read_json_file(file);
    const JsonPart settings(json, file);
    if (name == std::string_view("tokenizer_config.json")) read_config(settings, out);
    else read_names(settings, out);
  }
  return out;
}

TokenizerSettings parse_tokenizer_settings(std::string_view tokenizer_config, const std::filesystem::path& source) {
  TokenizerSettings out = silent_settings();
  const nlohmann::json json = parse_json_part(tokenizer_config, source);
  read_config(JsonPart(json, source), out);
  return out;
}

}  // namespace dsd
