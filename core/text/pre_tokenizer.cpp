#include "core/text/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "core/text/cutter.h"
#include "core/text/unicode.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

// Cuts where `is_delimiter` says so: a delimiter is one code point.
template <class IsDelimiter>
void split(std::string_view text, Piece whole, SplitBehavior behavior, IsDelimiter is_delimiter,
           std::vector<Piece>& out) {
  Cutter cutter(behavior, out);
  std::size_t done = whole.begin;
  for (std::size_t at = whole.begin; at < whole.end;) {
    const std::size_t begin = at;
    if (!is_delimiter(next_code_point(text, at))) continue;
    if (done < begin) cutter.add(done, begin, false);
    cutter.add(begin, at, true);
    done = at;
  }
  if (done < whole.end) cutter.add(done, whole.end, false);
  cutter.close();
}

void split(std::string_view text, Piece whole, SplitBehavior behavior, const Pattern& pattern, bool invert,
           std::vector<Piece>& out) {
  Cutter cutter(behavior, out);
  const std::size_t base = whole.begin;
  pattern.for_each(text.substr(base, whole.end - base), [&](std::size_t begin, std::size_t end, bool is_match) {
    cutter.add(base + begin, base + end, is_match != invert);
  });
  cutter.close();
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

void cut(const SplitByPattern& step, std::string_view text, Piece whole, std::vector<Piece>& out) {
  split(text, whole, step.behavior, *step.pattern, step.invert, out);
}
void cut(const ByteLevel& step, std::string_view text, Piece whole, std::vector<Piece>& out) {
  if (step.words == nullptr) return out.push_back(whole);
  split(text, whole, SplitBehavior::isolated, *step.words, false, out);
}
void cut(const Metaspace& step, std::string_view text, Piece whole, std::vector<Piece>& out) {
  if (step.blank == nullptr) return out.push_back(whole);
  split(text, whole, SplitBehavior::merged_with_next, *step.blank, false, out);
}

// What a step puts before a piece, and what it has in place of a blank; nothing for steps that leave text alone.
template <class Step>
void rewrite(const Step&, bool, PieceText&, std::vector<Piece>&) {}

void replace_text(PieceText& text, NormalizedText made) {
  text.rewritten = std::move(made);
  text.text = text.rewritten.text;
  text.origin = text.rewritten.origin;
}

void rewrite(const ByteLevel& step, bool, PieceText& text, std::vector<Piece>& pieces) {
  const auto lacks = [&](const Piece& piece) { return text.text[piece.begin] != ' '; };
  if (!step.add_prefix_space || std::none_of(pieces.begin(), pieces.end(), lacks)) return;
  const bool with_origin = !text.origin.empty();
  NormalizedText made;
  for (Piece& piece : pieces) {
    const std::size_t begin = made.text.size();
    if (lacks(piece)) made.append(" ", with_origin ? text.origin[piece.begin] : ByteSpan{}, with_origin);
    for (std::size_t at = piece.begin; at < piece.end; ++at)
      made.append(text.text.substr(at, 1), with_origin ? text.origin[at] : ByteSpan{}, with_origin);
    piece = {begin, made.text.size()};
  }
  replace_text(text, std::move(made));
}

void rewrite(const Metaspace& step, bool begins_text, PieceText& text, std::vector<Piece>& pieces) {
  const bool with_origin = !text.origin.empty();
  NormalizedText made;
  for (Piece& piece : pieces) {
    const std::size_t begin = made.text.size();
    const auto source = [&](std::size_t at) { return with_origin ? text.origin[at] : ByteSpan{}; };
    const std::string_view whole = text.text.substr(piece.begin, piece.end - piece.begin);
    const bool has_one = whole[0] == ' ' || whole.starts_with(step.replacement);
    const bool is_first = begins_text && (with_origin ? source(piece.begin).first == 0 : piece.begin == 0);
    if (!has_one &&
        (step.prepend == Metaspace::Prepend::always || (step.prepend == Metaspace::Prepend::first && is_first)))
      made.append(step.replacement, source(piece.begin), with_origin);
    for (std::size_t at = piece.begin; at < piece.end; ++at) {
      const std::string_view byte = text.text.substr(at, 1);
      made.append(byte == " " ? std::string_view(step.replacement) : byte, source(at), with_origin);
    }
    piece = {begin, made.text.size()};
  }
  replace_text(text, std::move(made));
}

}  // namespace

bool needs_origin(std::span<const PreTokenizerStep> steps) {
  return std::any_of(steps.begin(), steps.end(), [](const PreTokenizerStep& step) {
    const auto* metaspace = std::get_if<Metaspace>(&step);
    return metaspace != nullptr && metaspace->prepend == Metaspace::Prepend::first;
  });
}

void pre_tokenize(std::span<const PreTokenizerStep> steps, bool begins_text, PieceText& text,
                  std::vector<Piece>& pieces) {
  pieces.clear();
  if (text.text.empty()) return;
  pieces.push_back({0, text.text.size()});
  std::vector<Piece> before;
  for (const PreTokenizerStep& step : steps) {
    std::visit(
        [&](const auto& each) {
          rewrite(each, begins_text, text, pieces);
          std::swap(before, pieces);
          pieces.clear();
          for (const Piece piece : before) cut(each, text.text, piece, pieces);
        },
        step);
  }
}

std::shared_ptr<const Pattern> byte_level_words() {
  constexpr std::string_view kWords = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  return std::make_shared<const Pattern>(Pattern::regular_expression(kWords));
}

}  // namespace dsd
