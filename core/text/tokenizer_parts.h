#pragma once
// A tokenizer as its files describe it, checked: plain data from which Tokenizer is built.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/text/added_tokens.h"
#include "core/text/bpe.h"
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/post_processor.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/vocabulary.h"
#include "core/text/wordpiece.h"

namespace dsd {

using TokenizerModel = std::variant<WordPiece, Bpe>;

struct SpecialIds {
  std::optional<std::int32_t> pad, cls, sep, mask, unk, bos, eos;
};

struct TokenizerParts {
  std::filesystem::path file;
  Vocabulary vocabulary;
  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  TokenizerModel model;
  Template around = plain_template();
  std::optional<TrimSpans> trim_spans;
  std::vector<DecoderStep> decoder = {JoinDecoder{}};
  SpecialIds special;
  bool truncate_left = false;  // keep the end of a text that is too long
};

// tokenizer.json; WordPiece's vocab.txt; byte-level BPE's vocab.json, with merges.txt beside it; a GGUF file. Of a
// folder, the first of these that it holds. Throws Error that names the file and the part that is wrong or not
// supported.
TokenizerParts read_tokenizer(const std::filesystem::path& file_or_folder);

// Whether the folder has a tokenizer's file, be it one that read_tokenizer() refuses.
bool holds_tokenizer(const std::filesystem::path& folder);

// The text of a tokenizer.json alone; special ids are not looked up. `file` is named in complaints.
TokenizerParts parse_tokenizer_json(std::string_view text, const std::filesystem::path& file);

}  // namespace dsd
