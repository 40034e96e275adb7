#include "core/text/bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/text/byte_level.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

constexpr std::int32_t kNothing = TokenTable::kNothing;

}  // namespace

BpeModel::BpeModel(const Bpe& config, const Vocabulary& vocabulary)
    : config_(config), merges_(config.merges.size()), tokens_(static_cast<std::size_t>(vocabulary.count()), 0) {
  for (std::size_t rank = 0; rank < config.merges.size(); ++rank) {
    const auto& [left, right, whole] = config.merges[rank];
    merges_.add(left, right, static_cast<std::uint32_t>(rank), whole);
  }
  config_.merges = {};
  for (std::int32_t id = 0; id < vocabulary.rows(); ++id) {
    const auto token = vocabulary.token_of(id);
    if (!token || vocabulary.id_of(*token) != id) continue;
    if (!config.byte_level) tokens_.add(*token, id);
    else if (const auto bytes = from_byte_level(*token)) tokens_.add(*bytes, id);
  }
  if (!config.unknown_token.empty()) unknown_ = vocabulary.id_of(config.unknown_token);
  prepare_fallback(vocabulary);
  prepare_bytes(vocabulary);
  wholes_ = std::make_unique<std::atomic<Whole>[]>(static_cast<std::size_t>(vocabulary.rows()));
}

std::string BpeModel::decorated(std::string_view character, bool is_first, bool is_last) const {
  std::string text = is_first ? "" : config_.continuing_prefix;
  text += character;
  if (is_last) text += config_.end_suffix;
  return text;
}

void BpeModel::prepare_bytes(const Vocabulary& vocabulary) {
  for (unsigned kind = 0; kind < byte_ids_.size(); ++kind)
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::int32_t& id = byte_ids_[kind][byte];
      id = kNothing;
      if (!config_.byte_level && byte >= 0x80) continue;
      std::string character;
      append_utf8(character, config_.byte_level ? byte_level_character(static_cast<std::uint8_t>(byte)) : byte);
      id = vocabulary.id_of(decorated(character, (kind & 1) == 0, (kind & 2) != 0)).value_or(kNothing);
      if (id == kNothing && config_.byte_level && config_.byte_fallback)
        fail("byte_fallback is not supported where ByteLevel is and the vocabulary lacks '{}'", character);
    }
}

void BpeModel::prepare_fallback(const Vocabulary& vocabulary) {
  for (unsigned byte = 0; byte < 256; ++byte)
    fallback_ids_[byte] = vocabulary.id_of(fmt::format("<0x{:02X}>", byte)).value_or(kNothing);
}

std::int32_t BpeModel::symbol_id(std::string_view character, bool is_first, bool is_last) const {
  const unsigned kind = (is_first ? 0u : 1u) | (is_last ? 2u : 0u);
  if (character.size() == 1) return byte_ids_[kind][static_cast<unsigned char>(character[0])];
  if (config_.continuing_prefix.empty() && config_.end_suffix.empty()) return tokens_.find(character);
  return tokens_.find(decorated(character, is_first, is_last));
}

bool BpeModel::fall_back(std::string_view character, bool is_first, bool is_last, Symbols& symbols) const {
  const std::string text = decorated(character, is_first, is_last);
  const auto id_of = [&](char byte) { return fallback_ids_[static_cast<unsigned char>(byte)]; };
  if (std::any_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) == kNothing; })) return false;
  for (const char byte : text) symbols.push_back({id_of(byte), 1});
  return true;
}

// As the package does it: an unknown character waits for those behind it to be fused with it, and bytes that come in
// between go before it.
void BpeModel::read_symbols(std::string_view piece, Symbols& symbols) const {
  std::optional<Symbol> waiting;
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t begin = at;
    if (config_.byte_level) ++at;
    else next_code_point(piece, at);
    const std::string_view character = piece.substr(begin, at - begin);
    const bool is_first = begin == 0, is_last = at == piece.size();
    const auto size = static_cast<std::uint32_t>(character.size());
    const std::int32_t id = symbol_id(character, is_first, is_last);
    if (id != kNothing) {
      if (waiting) symbols.push_back(*std::exchange(waiting, std::nullopt));
      symbols.push_back({id, size});
      continue;
    }
    if (config_.byte_fallback && fall_back(character, is_first, is_last, symbols)) continue;
    if (config_.unknown_token.empty()) continue;
    if (!unknown_)
      fail("the unknown token '{}' is not in the vocabulary, and '{}' needs it", config_.unknown_token, character);
    if (waiting && config_.fuse_unknown) {
      waiting->size += size;
      continue;
    }
    if (waiting) symbols.push_back(*waiting);
    waiting = Symbol{*unknown_, size};
  }
  if (waiting) symbols.push_back(*waiting);
}

bool BpeModel::is_one_token(std::string_view piece, std::int32_t id) const {
  if (config_.ignore_merges) return true;
  std::atomic<Whole>& whole = wholes_[static_cast<std::size_t>(id)];
  Whole known = whole.load(std::memory_order_relaxed);
  if (known == Whole::not_known) {
    Symbols symbols;
    read_symbols(piece, symbols);
    merge_symbols(merges_, symbols);
    known = symbols.size() == 1 && symbols[0].id == id ? Whole::is_one : Whole::is_not;
    whole.store(known, std::memory_order_relaxed);
  }
  return known == Whole::is_one;
}

void BpeModel::tokenize(std::string_view piece, std::vector<ModelToken>& tokens) const {
  if (const std::int32_t id = tokens_.find(piece); id != kNothing && is_one_token(piece, id)) {
    tokens.push_back({id, 0, piece.size()});
    return;
  }
  Symbols symbols;
  read_symbols(piece, symbols);
  merge_symbols(merges_, symbols);
  std::size_t at = 0;
  for (const Symbol& symbol : symbols) {
    const std::size_t end = at + symbol.size;
    tokens.push_back({symbol.id, std::min(at, piece.size() - 1), std::min(end, piece.size())});
    at = end;
  }
}

}  // namespace dsd
