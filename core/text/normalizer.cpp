#include "core/text/normalizer.h"

#include <algorithm>
#include <cstddef>

#include "core/text/code_points.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

// Text without a step, or steps that leave ASCII as it is: a copy.
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

}  // namespace

void normalize(std::span<const NormalizerStep> steps, std::string_view text, bool with_origin, NormalizedText& out) {
  if (steps.empty()) return copy_bytes(text, with_origin, out);
  if (steps.size() == 1 && ascii_prefix(text) == text.size())
    if (const auto* bert = std::get_if<BertNormalizer>(&steps[0]))
      return normalize_ascii(*bert, text, with_origin, out);
  CodePoints points = read_code_points(text, with_origin);
  for (const NormalizerStep& step : steps) std::visit([&](const auto& each) { apply(each, points); }, step);
  write_code_points(points, out.text, out.origin);
}

}  // namespace dsd
