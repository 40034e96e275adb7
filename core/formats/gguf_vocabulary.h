#pragma once
// A GGUF file's tokens with their kinds and scores, checked, and the merges of a BPE over them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/formats/gguf.h"

namespace dsd {

enum class GgufTokenKind : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct GgufVocabulary {
  std::vector<std::string_view> tokens;  // by id: views of the file's map, valid UTF-8, each once
  std::vector<GgufTokenKind> kinds;
  std::unordered_map<std::string_view, std::int64_t> ids;
};

bool is_utf8(std::string_view text);

GgufVocabulary read_gguf_vocabulary(const GgufFile& file);

// tokenizer.ggml.<role>_token_id, which is below the number of tokens; nothing where the file has none.
std::optional<std::int64_t> gguf_token_id(const GgufFile& file, const GgufVocabulary& vocabulary,
                                          std::string_view role);

using GgufMerges = std::vector<std::pair<std::string_view, std::string_view>>;

// The file's own, best first; each half and the whole are tokens.
GgufMerges read_gguf_merges(const GgufFile& file, const GgufVocabulary& vocabulary);

// SentencePiece keeps none: every way to cut a token into two tokens, by the whole's score, best first, and among equal
// ones as transformers orders them.
GgufMerges merges_of_scores(const GgufFile& file, const GgufVocabulary& vocabulary);

}  // namespace dsd
