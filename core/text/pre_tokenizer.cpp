#include "core/text/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "core/text/unicode.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

// Cuts where `is_delimiter` says so: a delimiter is one code point, what stands between two is one piece.
template <class IsDelimiter>
void split(std::string_view text, Piece whole, SplitBehavior behavior, IsDelimiter is_delimiter,
           std::vector<Piece>& out) {
  const std::size_t first_out = out.size();
  bool open = false;            // the last piece may grow
  bool open_delimiter = false;  // and ends with a delimiter
  const auto extend = [&](std::size_t begin, std::size_t end, bool joins) {
    if (joins && open && out.size() > first_out) out.back().end = end;
    else out.push_back({begin, end});
    open = true;
  };
  for (std::size_t at = whole.begin; at < whole.end;) {
    const std::size_t begin = at;
    const bool delimiter = is_delimiter(next_code_point(text, at));
    switch (behavior) {
      case SplitBehavior::removed:
        if (delimiter) open = false;
        else extend(begin, at, true);
        break;
      case SplitBehavior::isolated:
        extend(begin, at, !delimiter && !open_delimiter);
        break;
      case SplitBehavior::contiguous:
        extend(begin, at, delimiter == open_delimiter);
        break;
      // A delimiter joins text before it, never another delimiter.
      case SplitBehavior::merged_with_previous:
        extend(begin, at, !open_delimiter);
        break;
      // Text joins a delimiter before it, and a delimiter always begins a piece.
      case SplitBehavior::merged_with_next:
        extend(begin, at, !delimiter);
        break;
    }
    open_delimiter = delimiter;
  }
}

enum class Kind : std::uint8_t { word, space, mark };

Kind bert_kind(char32_t code) {
  if (is_white_space(code)) return Kind::space;
  return is_bert_punctuation(code) ? Kind::mark : Kind::word;
}

// bert_kind() of ASCII, which is most of the text.
constexpr std::array<Kind, 128> kAsciiKinds = [] {
  std::array<Kind, 128> kinds{};  // word
  for (char c = '!'; c < 0x7F; ++c) {
    const bool letter_or_digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!letter_or_digit) kinds[static_cast<std::size_t>(c)] = Kind::mark;
  }
  for (const char c : {'\t', '\n', '\v', '\f', '\r', ' '}) kinds[static_cast<std::size_t>(c)] = Kind::space;
  return kinds;
}();

void cut(const BertPreTokenizer&, std::string_view text, Piece whole, std::vector<Piece>& out) {
  std::size_t begin = whole.begin;
  for (std::size_t at = whole.begin; at < whole.end;) {
    const std::size_t here = at;
    const auto byte = static_cast<unsigned char>(text[at]);
    Kind kind;
    if (byte < 0x80) {
      kind = kAsciiKinds[byte];
      ++at;
    } else {
      kind = bert_kind(next_code_point(text, at));
    }
    if (kind == Kind::word) continue;
    if (begin < here) out.push_back({begin, here});
    if (kind == Kind::mark) out.push_back({here, at});
    begin = at;
  }
  if (begin < whole.end) out.push_back({begin, whole.end});
}

void cut(const Whitespace&, std::string_view text, Piece whole, std::vector<Piece>& out) {
  const auto kind_of = [](char32_t code) {
    if (is_word_character(code)) return Kind::word;
    return is_white_space(code) ? Kind::space : Kind::mark;
  };
  Kind before = Kind::space;
  for (std::size_t at = whole.begin; at < whole.end;) {
    const std::size_t begin = at;
    const Kind kind = kind_of(next_code_point(text, at));
    if (kind != Kind::space) {
      if (kind == before) out.back().end = at;
      else out.push_back({begin, at});
    }
    before = kind;
  }
}

void cut(const WhitespaceSplit&, std::string_view text, Piece whole, std::vector<Piece>& out) {
  split(text, whole, SplitBehavior::removed, is_white_space, out);
}
void cut(const Punctuation& step, std::string_view text, Piece whole, std::vector<Piece>& out) {
  split(text, whole, step.behavior, is_bert_punctuation, out);
}
void cut(const Digits& step, std::string_view text, Piece whole, std::vector<Piece>& out) {
  split(text, whole, step.individual_digits ? SplitBehavior::isolated : SplitBehavior::contiguous, is_numeric, out);
}

}  // namespace

void pre_tokenize(std::span<const PreTokenizerStep> steps, std::string_view text, std::vector<Piece>& pieces) {
  pieces.clear();
  if (text.empty()) return;
  if (steps.empty()) return pieces.push_back({0, text.size()});
  std::visit([&](const auto& each) { cut(each, text, {0, text.size()}, pieces); }, steps[0]);
  for (const PreTokenizerStep& step : steps.subspan(1)) {
    const std::vector<Piece> before = std::exchange(pieces, {});
    for (const Piece piece : before) std::visit([&](const auto& each) { cut(each, text, piece, pieces); }, step);
  }
}

}  // namespace dsd
