#include "core/text/added_tokens.h"

#include <algorithm>

#include "core/text/unicode.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  if (begin > 0 && is_word_character(previous_code_point(text, begin))) return false;
  return end == text.size() || !is_word_character(next_code_point(text, end));
}

std::size_t skip_white_space_back(std::string_view text, std::size_t from, std::size_t least) {
  while (from > least) {
    std::size_t at = from;
    if (!is_white_space(previous_code_point(text, at))) break;
    from = at;
  }
  return from;
}

std::size_t skip_white_space(std::string_view text, std::size_t from) {
  while (from < text.size()) {
    std::size_t at = from;
    if (!is_white_space(next_code_point(text, at))) break;
    from = at;
  }
  return from;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<Trie::Entry> entries;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& text = tokens_[i].shown;
    entries.emplace_back(text, static_cast<std::int32_t>(i));
    if (first_bytes_.find(text[0]) == std::string::npos) first_bytes_ += text[0];
  }
  trie_ = Trie(std::move(entries));
}

std::size_t AddedTokenFinder::next_candidate(std::string_view text, std::size_t from) const {
  const std::size_t found =
      first_bytes_.size() == 1 ? text.find(first_bytes_[0], from) : text.find_first_of(first_bytes_, from);
  return std::min(found, text.size());
}

void AddedTokenFinder::split(std::string_view text, std::vector<Stretch>& out) const {
  out.clear();
  std::size_t done = 0;  // everything before is covered
  for (std::size_t at = next_candidate(text, 0); at < text.size(); at = next_candidate(text, at)) {
    const Trie::Match match = trie_.longest(text.substr(at));
    if (match.length == 0) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + match.length;
    at = end;  // whether it counts or not, the search goes on behind it
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.value)];
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(skip_white_space_back(text, begin, done), done);
    if (token.rstrip) end = skip_white_space(text, end);
    if (begin >= end) continue;  // the token before has taken it as white space
    if (done < begin) out.push_back({done, begin, -1});
    out.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) out.push_back({done, text.size(), -1});
}

}  // namespace dsd
