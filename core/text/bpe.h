#pragma once
// Byte-pair encoding: a piece of text is taken apart into characters (or bytes), and neighbours are merged, the pair
// that was learnt first before all others, of equals the leftmost.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/bpe_merge.h"
#include "core/text/model_token.h"
#include "core/text/vocabulary.h"

namespace dsd {

struct Bpe {
  struct Merge {
    std::int32_t left, right, whole;
    friend bool operator==(const Merge&, const Merge&) = default;
  };
  std::vector<Merge> merges;  // in the order of their ranks; of equal pairs the last one counts
  std::string unknown_token;  // empty: characters that the vocabulary lacks are dropped
  std::string continuing_prefix;
  std::string end_suffix;
  bool fuse_unknown = false;   // neighbours become one
  bool byte_fallback = false;  // what the vocabulary lacks becomes its bytes, `<0x0A>`
  bool ignore_merges = false;  // a piece that is a token needs no merge
  bool byte_level = false;     // the tokens are written as byte_level.h does, and pieces are bytes
};

class BpeModel {
 public:
  // Throws Error for a setting that does not go with the vocabulary.
  BpeModel(const Bpe& config, const Vocabulary& vocabulary);

  // Appends the tokens of `piece`, which is not empty.
  void tokenize(std::string_view piece, std::vector<ModelToken>& tokens) const;

 private:
  using Symbol = BpeSymbol;
  using Symbols = std::vector<BpeSymbol>;
  enum class Whole : std::uint8_t { not_known, is_one, is_not };

  void prepare_bytes(const Vocabulary& vocabulary);
  void prepare_fallback(const Vocabulary& vocabulary);
  std::int32_t symbol_id(std::string_view character, bool is_first, bool is_last) const;
  void read_symbols(std::string_view piece, Symbols& symbols) const;
  bool fall_back(std::string_view character, bool is_first, bool is_last, Symbols& symbols) const;
  std::string decorated(std::string_view character, bool is_first, bool is_last) const;
  bool is_one_token(std::string_view piece, std::int32_t id) const;

  Bpe config_;
  PairTable merges_;
  TokenTable tokens_;                    // as they stand in pieces
  std::optional<std::int32_t> unknown_;  // the id of unknown_token
  // By byte: for a byte-level vocabulary, and for ASCII in others; first and last of a piece differ where there is a
  // prefix or a suffix (bit 0: not the first, bit 1: the last).
  std::array<std::array<std::int32_t, 256>, 4> byte_ids_;
  std::array<std::int32_t, 256> fallback_ids_;
  // Whether a token's own text merges into it: what most words are, so that each is merged once. Filled as they come.
  mutable std::unique_ptr<std::atomic<Whole>[]> wholes_;
};

}  // namespace dsd
