#include "core/data/token_stream.h"

#include <algorithm>

#include "core/text/utf8.h"

namespace dsd {
namespace {

constexpr std::size_t kOverlap = 4096;    // bytes seen by both looks on each side of a cut
constexpr std::size_t kAgreeing = 24;     // tokens on each side that both must give
constexpr std::size_t kMostWindows = 16;  // that a text without a place to cut may grow to
constexpr int kPlaces = 4;                // tried in a window

Encoding encode(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.special_tokens = false, .spans = true});
}

// The first token that does not begin before `place`.
std::size_t token_at(const Encoding& tokens, std::size_t place) {
  const auto begins_before = [&](const ByteSpan& span) { return static_cast<std::size_t>(span.first) < place; };
  return static_cast<std::size_t>(std::ranges::find_if_not(tokens.spans, begins_before) - tokens.spans.begin());
}

void give(const Encoding& tokens, std::size_t from, std::size_t to, std::vector<std::int32_t>& ids) {
  ids.insert(ids.end(), tokens.ids.begin() + static_cast<std::ptrdiff_t>(from),
             tokens.ids.begin() + static_cast<std::ptrdiff_t>(std::max(from, to)));
}

// Whether token `i` of the first look and token `j` of the second, which began `shift` bytes later, are in the middle
// of a run that both give.
bool agree(const Encoding& first, std::size_t i, const Encoding& second, std::size_t j, std::size_t shift) {
  if (i < kAgreeing || j < kAgreeing || i + kAgreeing > first.ids.size() || j + kAgreeing > second.ids.size())
    return false;
  const auto moved = static_cast<std::int32_t>(shift);
  for (std::size_t a = i - kAgreeing, b = j - kAgreeing; a < i + kAgreeing; ++a, ++b)
    if (first.ids[a] != second.ids[b] || first.spans[a].first != second.spans[b].first + moved ||
        first.spans[a].second != second.spans[b].second + moved)
      return false;
  return true;
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

TokenStream::TokenStream(const Tokenizer& tokenizer, std::size_t window)
    : tokenizer_(tokenizer), window_(std::max(window, 4 * kOverlap)), try_at_(window_) {}

void TokenStream::add(std::string_view text, std::vector<std::int32_t>& ids) {
  text_ += text;
  if (text_.size() < try_at_) return;
  const bool is_cut = cut(ids);
  if (!is_cut && text_.size() >= kMostWindows * window_) force_cut(ids);
  else if (!is_cut) return static_cast<void>(try_at_ = 2 * text_.size());
  try_at_ = window_;
}

void TokenStream::finish(std::vector<std::int32_t>& ids) {
  if (!text_.empty()) {
    const Encoding tokens = encode(tokenizer_, text_);
    give(tokens, token_at(tokens, given_), tokens.ids.size(), ids);
  }
  text_.clear();
  given_ = 0;
  try_at_ = window_;
}

std::size_t TokenStream::character_at(std::size_t place) const {
  while (place > 0 && place < text_.size() && (static_cast<unsigned char>(text_[place]) & 0xC0) == 0x80) --place;
  return place;
}

// Where a second look at the text around `place` begins: before a white space, if there is one near.
std::size_t TokenStream::look_from(std::size_t place) const {
  const std::size_t from = place - kOverlap;
  for (std::size_t i = from; i + kOverlap / 2 > from && i > 0; --i)
    if (is_space(text_[i]) && !is_space(text_[i - 1])) return i;
  return character_at(from);
}

// The second look begins and ends elsewhere than the first: what an end does to the tokens near it would be seen.
bool TokenStream::agrees_at(const Encoding& tokens, std::size_t middle, std::size_t from) const {
  const std::size_t end = character_at(text_.size() - kOverlap / 2);
  const Encoding again = encode(tokenizer_, std::string_view(text_).substr(from, end - from));
  const auto begin = static_cast<std::size_t>(tokens.spans[middle].first);
  return agree(tokens, middle, again, token_at(again, begin - from), from);
}

bool TokenStream::cut(std::vector<std::int32_t>& ids) {
  const Encoding tokens = encode(tokenizer_, text_);
  const std::size_t lowest = std::max(given_, kOverlap) + kOverlap;
  std::size_t place = text_.size() - kOverlap;
  for (int tried = 0; tried < kPlaces && place > lowest; ++tried, place -= std::min(place, 2 * kOverlap)) {
    const std::size_t middle = token_at(tokens, place);
    if (middle == tokens.ids.size()) continue;
    const auto begin = static_cast<std::size_t>(tokens.spans[middle].first);
    if (begin + kOverlap / 2 >= text_.size()) continue;
    const std::size_t from = look_from(begin);
    if (!agrees_at(tokens, middle, from)) continue;
    give(tokens, token_at(tokens, given_), middle, ids);
    text_.erase(0, from);
    given_ = begin - from;
    return true;
  }
  return false;
}

void TokenStream::force_cut(std::vector<std::int32_t>& ids) {
  std::size_t place = text_.size() - kOverlap;
  while (place > given_ && !is_space(text_[place])) --place;
  if (place == given_) place = character_at(text_.size() - kOverlap);
  const Encoding tokens = encode(tokenizer_, std::string_view(text_).substr(0, place));
  give(tokens, token_at(tokens, given_), tokens.ids.size(), ids);
  text_.erase(0, place);
  given_ = 0;
  ++forced_cuts_;
}

}  // namespace dsd
