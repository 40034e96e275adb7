#pragma once
// Text to token ids and back, equal to the `tokenizers` package (kReferenceTokenizers) for what tokenizer.json says.
// A Tokenizer does not change after it is made: any number of threads may use one.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "core/text/tokenizer_parts.h"
#include "core/text/wordpiece.h"

namespace dsd {

struct EncodeOptions {
  std::int64_t max_length = 0;  // tokens, special ones included; 0: no limit
  bool special_tokens = true;   // what the template puts around
  bool spans = false;           // also where each token stands in the text
};

struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> segments;  // as many
  std::vector<ByteSpan> spans;  // as many, or none; bytes of the token's own text; (0, 0) for what the template adds
};

class Tokenizer {
 public:
  explicit Tokenizer(TokenizerParts parts);
  // A folder or one of its files, as read_tokenizer() takes them.
  static Tokenizer load(const std::filesystem::path& file_or_folder);

  // Throws Error when the text is not UTF-8 or max_length leaves no room for the special tokens.
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  // Too long a pair gives way from its longer side ("longest first").
  Encoding encode_pair(std::string_view first, std::string_view second, const EncodeOptions& options = {}) const;
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const;

  std::int64_t vocab_size() const;  // the largest id + 1: rows that an embedding needs
  std::optional<std::int32_t> id_of(std::string_view token) const;
  std::optional<std::string_view> token_of(std::int32_t id) const;
  const SpecialIds& special_ids() const { return parts_.special; }
  const Template& around() const { return parts_.around; }
  const std::filesystem::path& file() const { return parts_.file; }
  // Equal for two tokenizers that give the same ids to the same text: vocabulary, pipeline and template, not the file.
  const Key128& fingerprint() const { return fingerprint_; }

 private:
  struct Tokens;  // ids and spans of one text
  Tokens tokenize(std::string_view text, bool spans) const;
  void tokenize_stretch(std::string_view text, std::size_t offset, Tokens& out) const;
  void tokenize_plain(std::string_view text, std::span<const ByteSpan> origin, std::size_t offset, Tokens& out) const;
  void trim(Tokens& tokens) const;
  Encoding assemble(const std::vector<TemplatePart>& parts, Tokens first, Tokens second,
                    const EncodeOptions& options) const;

  TokenizerParts parts_;
  std::variant<WordPieceModel, BpeModel> model_;
  AddedTokenFinder raw_added_, normalized_added_;
  std::unordered_map<std::int32_t, std::string_view> added_by_id_;  // as they are shown
  std::unordered_set<std::string_view> special_;                    // the contents of special ones
  bool needs_origin_ = false;
  Key128 fingerprint_;
};

}  // namespace dsd
