#include "core/text/normalizer.h"

#include <algorithm>
#include <cstddef>

#include "core/base/error.h"
#include "core/text/code_points.h"
#include "core/text/unicode.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

void copy_bytes(std::string_view text, bool with_origin, NormalizedText& out) {
  out.text.assign(text);
  out.origin.clear();
  if (!with_origin) return;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    next_code_point(text, at);
    out.origin.insert(out.origin.end(), at - start, {static_cast<std::int32_t>(start), static_cast<std::int32_t>(at)});
  }
}

// Most text is ASCII, where BERT's four steps are one look at each byte.
void normalize_ascii(const BertNormalizer& bert, std::string_view text, bool with_origin, NormalizedText& out) {
  out.text.resize(text.size());
  out.origin.clear();
  std::size_t kept = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char byte = text[at];
    if (bert.clean_text && (byte < 0x20 || byte == 0x7F)) {
      if (byte != '\t' && byte != '\n' && byte != '\r') continue;
      byte = ' ';
    }
    if (bert.lowercase && byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte + 32);
    out.text[kept++] = byte;
    if (with_origin) out.origin.emplace_back(static_cast<std::int32_t>(at), static_cast<std::int32_t>(at + 1));
  }
  out.text.resize(kept);
}

void apply(const BertNormalizer& bert, CodePoints& points) {
  if (bert.clean_text) clean_bert_text(points);
  if (bert.handle_chinese_chars) set_ideographs_apart(points);
  if (bert.strip_accents) {
    decompose_all(points, false);
    remove_nonspacing_marks(points);
  }
  if (bert.lowercase) lower_all(points);
}
void apply(const Lowercase&, CodePoints& points) { lower_all(points); }
void apply(const UnicodeForm& form, CodePoints& points) {
  decompose_all(points, form.compatible);
  if (form.composed) compose_all(points);
}
void apply(const StripAccents&, CodePoints& points) { remove_marks(points); }
void apply(const Strip& strip, CodePoints& points) { strip_white_space(points, strip.left, strip.right); }

// Whether a step leaves such text as it is, as far as can be told without doing it.
template <class Step>
bool is_idle(const Step&, std::string_view) {
  return false;
}
bool is_idle(const StripAccents&, std::string_view text) { return ascii_prefix(text) == text.size(); }
bool is_idle(const UnicodeForm& form, std::string_view text) {
  std::size_t at = ascii_prefix(text);
  if (!form.composed || form.compatible) return at == text.size();
  while (at < text.size())
    if (!is_composed_as_it_is(next_code_point(text, at))) return false;
  return true;
}

// Steps over code points; the two below work on bytes. `most` bytes may come of it.
template <class Step>
void apply(const Step& step, bool with_origin, std::size_t, NormalizedText& text) {
  if (is_idle(step, text.text)) return;
  CodePoints points = read_code_points(text.text, text.origin);
  apply(step, points);
  write_code_points(points, text.text, text.origin);
  if (!with_origin) text.origin.clear();
}

void apply(const Prepend& step, bool with_origin, std::size_t, NormalizedText& text) {
  if (text.text.empty()) return;
  if (with_origin) text.origin.insert(text.origin.begin(), step.text.size(), text.origin.front());
  text.text.insert(0, step.text);
}

// What is put in comes from the last character that it takes the place of.
void apply(const Replace& step, bool with_origin, std::size_t most, NormalizedText& text) {
  NormalizedText out;
  step.pattern->for_each(text.text, [&](std::size_t begin, std::size_t end, bool is_match) {
    if (is_match) {
      if (out.text.size() + step.content.size() > most)
        fail("the normaliser's '{}' makes a text many times as long; such a step is not followed",
             step.pattern->source().substr(0, 60));
      const bool has_source = with_origin && end > 0;
      out.append(step.content, has_source ? text.origin[end - 1] : ByteSpan{}, with_origin);
      return;
    }
    out.text.append(text.text, begin, end - begin);
    if (!with_origin) return;
    const auto first = text.origin.begin();
    out.origin.insert(out.origin.end(), first + static_cast<std::ptrdiff_t>(begin),
                      first + static_cast<std::ptrdiff_t>(end));
  });
  text = std::move(out);
}

}  // namespace

void normalize(std::span<const NormalizerStep> steps, std::string_view text, bool with_origin, NormalizedText& out) {
  if (steps.size() == 1 && ascii_prefix(text) == text.size())
    if (const auto* bert = std::get_if<BertNormalizer>(&steps[0]))
      return normalize_ascii(*bert, text, with_origin, out);
  constexpr std::size_t kMostGrowth = 64, kSpare = 1 << 16;  // a file from outside could double it in each step
  const std::size_t most = kMostGrowth * text.size() + kSpare;
  copy_bytes(text, with_origin, out);
  for (const NormalizerStep& step : steps)
    std::visit([&](const auto& each) { apply(each, with_origin, most, out); }, step);
}

}  // namespace dsd
