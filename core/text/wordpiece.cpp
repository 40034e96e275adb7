#include "core/text/wordpiece.h"

#include <algorithm>

namespace dsd {
namespace {

bool has_more_characters(std::string_view text, std::int64_t most) {
  if (static_cast<std::int64_t>(text.size()) <= most) return false;
  const auto starts = std::count_if(text.begin(), text.end(),
                                    [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; });
  return starts > most;
}

}  // namespace

WordPieceModel::WordPieceModel(const WordPiece& config, const Vocabulary& vocabulary) : config_(config) {
  std::vector<Trie::Entry> entries;
  for (std::int32_t id = 0; id < vocabulary.rows(); ++id)
    if (const auto token = vocabulary.token_of(id); token && vocabulary.id_of(*token) == id)
      entries.emplace_back(*token, id);
  trie_ = Trie(std::move(entries));
  continuation_ = trie_.walk(config_.continuing_prefix);
}

void WordPieceModel::tokenize(std::string_view piece, std::vector<ModelToken>& tokens) const {
  const std::size_t first = tokens.size();
  bool covered = !has_more_characters(piece, config_.max_input_chars_per_word);
  Trie::Node node = Trie::kRoot;
  for (std::size_t at = 0; covered && at < piece.size(); node = continuation_) {
    const Trie::Match match = node == Trie::kNowhere ? Trie::Match{} : trie_.longest(piece.substr(at), node);
    covered = match.length > 0;
    if (covered) tokens.push_back({match.value, at, at + match.length});
    at += match.length;
  }
  if (covered) return;
  tokens.resize(first);
  tokens.push_back({config_.unknown_id, 0, piece.size()});
}

}  // namespace dsd
