#pragma once
// What tokenizer_config.json and special_tokens_map.json say beside a vocabulary: which token plays which part, and how
// text is prepared where there is no tokenizer.json.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/text/added_tokens.h"

namespace dsd {

struct TokenizerSettings {
  AddedToken pad, cls, sep, mask, unk;  // ids not set; BERT's names where the files are silent
  AddedToken bos, eos;                  // no name where the files are silent
  bool do_lower_case = true;
  std::optional<bool> strip_accents;
  bool tokenize_chinese_chars = true;
  std::string kind;  // tokenizer_class, without the "Fast" that says how it is made; else empty
  bool add_prefix_space = false;
  bool add_bos_token = false;
  std::optional<bool> truncate_left;
  std::vector<AddedToken> added;  // `added_tokens_decoder`, with ids, by id
};

// Of a model's folder; both files may be missing.
TokenizerSettings read_tokenizer_settings(const std::filesystem::path& folder);

// Of the text of a tokenizer_config.json; `source` names it in errors.
TokenizerSettings parse_tokenizer_settings(std::string_view tokenizer_config, const std::filesystem::path& source);

}  // namespace dsd
