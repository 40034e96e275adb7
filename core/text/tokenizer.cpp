#include "core/text/tokenizer.h"

#include <algorithm>
#include <limits>

#include "core/base/error.h"
#include "core/text/byte_level.h"
#include "core/text/fingerprint.h"
#include "core/text/unicode.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

std::variant<WordPieceModel, BpeModel> make_model(const TokenizerParts& parts) {
  if (const auto* config = std::get_if<WordPiece>(&parts.model)) return WordPieceModel(*config, parts.vocabulary);
  try {
    return BpeModel(std::get<Bpe>(parts.model), parts.vocabulary);
  } catch (const Error& error) {
    fail("{}: {}", parts.file.string(), error.what());
  }
}

TokenizerParts with_shown_tokens(TokenizerParts parts) {
  for (AddedToken& token : parts.added) {
    NormalizedText text{token.content, {}};
    if (token.normalized) normalize(parts.normalizer, token.content, false, text);
    if (text.text.empty())
      fail("{}: nothing is left of the added token '{}' once it is normalised; remove it", parts.file.string(),
           token.content);
    token.shown = std::move(text.text);
  }
  return parts;
}

// The finder for added tokens with this value of `normalized`; special ones go first, as in the package.
AddedTokenFinder make_finder(const TokenizerParts& parts, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const bool special : {true, false})
    for (const AddedToken& token : parts.added)
      if (token.normalized == normalized && token.special == special) tokens.push_back(token);
  return AddedTokenFinder(std::move(tokens));
}

bool is_blank(char32_t code) { return code == byte_level_character(' ') || is_white_space(code); }

// Blanks at the start and at the end of a token.
std::pair<std::uint32_t, std::uint32_t> blanks_around(std::string_view token) {
  std::uint32_t leading = 0, trailing = 0;
  for (std::size_t at = 0; at < token.size() && is_blank(next_code_point(token, at));) ++leading;
  for (std::size_t at = token.size(); at > 0 && is_blank(previous_code_point(token, at));) ++trailing;
  return {leading, trailing};
}

}  // namespace

struct Tokenizer::Tokens {
  std::string_view text;
  bool with_spans = false, with_blanks = false;
  std::vector<std::int32_t> ids;
  std::vector<ByteSpan> spans;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> blanks;  // of each token, where spans are trimmed

  // `shown` is the token as a text.
  void add(std::int32_t id, std::size_t offset, ByteSpan span, std::string_view shown) {
    ids.push_back(id);
    if (!with_spans) return;
    const auto shift = static_cast<std::int32_t>(offset);
    spans.emplace_back(span.first + shift, span.second + shift);
    if (with_blanks) blanks.push_back(blanks_around(shown));
  }

  void keep(std::size_t count, bool the_end) {
    if (count >= ids.size()) return;
    const auto drop = static_cast<std::ptrdiff_t>(ids.size() - count);
    const auto cut = [&](auto& items) {
      if (items.empty()) return;
      if (the_end) items.erase(items.begin(), items.begin() + drop);
      else items.erase(items.end() - drop, items.end());
    };
    cut(ids);
    cut(spans);
    cut(blanks);
  }
};

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(with_shown_tokens(std::move(parts))),
      model_(make_model(parts_)),
      raw_added_(make_finder(parts_, false)),
      normalized_added_(make_finder(parts_, true)),
      needs_origin_(needs_origin(parts_.pre_tokenizer)),
      fingerprint_(fingerprint_of(parts_)) {
  for (const AddedToken& token : parts_.added) {
    added_by_id_.emplace(token.id, token.shown);
    if (token.special) special_.insert(token.content);
  }
}

Tokenizer Tokenizer::load(const std::filesystem::path& file_or_folder) {
  return Tokenizer(read_tokenizer(file_or_folder));
}

Tokenizer::Tokens Tokenizer::tokenize(std::string_view text, bool spans) const {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    fail("a text of {} bytes is too long to tokenize at once; split it into lines", text.size());
  if (const auto bad = check_utf8(text))
    fail("byte {} (0x{:02x}) is not valid UTF-8; convert the text to UTF-8", *bad,
         static_cast<unsigned char>(text[*bad]));
  Tokens out{.text = text, .with_spans = spans, .with_blanks = spans && parts_.trim_spans};
  std::vector<Stretch> stretches;
  raw_added_.split(text, stretches);
  for (const Stretch& stretch : stretches) {
    const std::string_view part = text.substr(stretch.begin, stretch.end - stretch.begin);
    if (stretch.id < 0) tokenize_stretch(part, stretch.begin, out);
    else out.add(stretch.id, stretch.begin, {0, static_cast<std::int32_t>(part.size())}, part);
  }
  return out;
}

void Tokenizer::tokenize_stretch(std::string_view text, std::size_t offset, Tokens& out) const {
  const bool with_origin = out.with_spans || (needs_origin_ && offset == 0);
  NormalizedText normalized;
  std::string_view shown = text;
  if (!parts_.normalizer.empty() || with_origin) {
    normalize(parts_.normalizer, text, with_origin, normalized);
    shown = normalized.text;
  }
  const auto origin = std::span<const ByteSpan>(normalized.origin);
  std::vector<Stretch> stretches;
  normalized_added_.split(shown, stretches);
  for (const Stretch& stretch : stretches) {
    const std::string_view part = shown.substr(stretch.begin, stretch.end - stretch.begin);
    const auto from = with_origin ? origin.subspan(stretch.begin, part.size()) : origin;
    if (stretch.id < 0) tokenize_plain(part, from, offset, out);
    else out.add(stretch.id, offset, with_origin ? ByteSpan{from.front().first, from.back().second} : ByteSpan{}, part);
  }
}

void Tokenizer::tokenize_plain(std::string_view text, std::span<const ByteSpan> origin, std::size_t offset,
                               Tokens& out) const {
  PieceText pieced{text, origin, {}};
  std::vector<Piece> pieces;
  std::vector<ModelToken> tokens;
  pre_tokenize(parts_.pre_tokenizer, offset == 0, pieced, pieces);
  const auto use = [&](const auto& model) {
    for (const Piece& piece : pieces) {
      tokens.clear();
      model.tokenize(pieced.text.substr(piece.begin, piece.end - piece.begin), tokens);
      for (const ModelToken& token : tokens) {
        if (!out.with_spans) {
          out.ids.push_back(token.id);
          continue;
        }
        const ByteSpan span{pieced.origin[piece.begin + token.begin].first,
                            pieced.origin[piece.begin + token.end - 1].second};
        out.add(token.id, offset, span, parts_.vocabulary.token_of(token.id).value_or(std::string_view{}));
      }
    }
  };
  std::visit(use, model_);
}

// In characters of the text, as the package counts.
void Tokenizer::trim(Tokens& tokens) const {
  for (std::size_t i = 0; i < tokens.blanks.size(); ++i) {
    auto [leading, trailing] = tokens.blanks[i];
    auto begin = static_cast<std::size_t>(tokens.spans[i].first),
         end = static_cast<std::size_t>(tokens.spans[i].second);
    const bool is_first = i == 0 || begin == 0;
    if (is_first && parts_.trim_spans->add_prefix_space && leading == 1) leading = 0;
    for (; leading > 0 && begin < end; --leading) next_code_point(tokens.text, begin);
    std::size_t last = end;
    for (; trailing > 0 && last > 0; --trailing) previous_code_point(tokens.text, last);
    if (trailing == 0) end = std::max(last, begin);
    tokens.spans[i] = {static_cast<std::int32_t>(begin), static_cast<std::int32_t>(end)};
  }
}

Encoding Tokenizer::assemble(const std::vector<TemplatePart>& parts, Tokens first, Tokens second,
                             const EncodeOptions& options) const {
  if (options.max_length > 0) {
    const std::size_t reserved = options.special_tokens ? special_count(parts) : 0;
    const auto most = static_cast<std::size_t>(options.max_length);
    if (most < reserved)
      fail("max_length {} leaves no room for the {} special tokens around a text; raise it", most, reserved);
    const auto [keep_first, keep_second] = longest_first(first.ids.size(), second.ids.size(), most - reserved);
    first.keep(keep_first, parts_.truncate_left);
    second.keep(keep_second, parts_.truncate_left);
  }
  trim(first);
  trim(second);
  Encoding out;
  const auto append = [&](const std::vector<std::int32_t>& ids, const std::vector<ByteSpan>& spans,
                          std::int32_t segment) {
    out.ids.insert(out.ids.end(), ids.begin(), ids.end());
    out.segments.insert(out.segments.end(), ids.size(), segment);
    if (!options.spans) return;
    out.spans.insert(out.spans.end(), spans.begin(), spans.end());
    out.spans.resize(out.ids.size());
  };
  for (const TemplatePart& part : parts) {
    switch (part.kind) {
      case TemplatePart::Kind::first:
        append(first.ids, first.spans, part.segment);
        break;
      case TemplatePart::Kind::second:
        append(second.ids, second.spans, part.segment);
        break;
      case TemplatePart::Kind::special:
        if (options.special_tokens) append(part.ids, {}, part.segment);
        break;
    }
  }
  return out;
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return assemble(parts_.around.single, tokenize(text, options.spans), {}, options);
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second, const EncodeOptions& options) const {
  return assemble(parts_.around.pair, tokenize(first, options.spans), tokenize(second, options.spans), options);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  for (const std::int32_t id : ids) {
    const auto token = token_of(id);
    if (!token) fail("{}: no token has id {}", parts_.file.string(), id);
    // The package asks whether the text is that of a special token, not whether the id is.
    if (!skip_special_tokens || !special_.contains(*token)) tokens.emplace_back(*token);
  }
  return decode_tokens(parts_.decoder, std::move(tokens));
}

std::int64_t Tokenizer::vocab_size() const {
  std::int64_t rows = parts_.vocabulary.rows();
  for (const AddedToken& token : parts_.added) rows = std::max<std::int64_t>(rows, token.id + 1);
  return rows;
}

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  for (const AddedToken& added : parts_.added)
    if (added.content == token) return added.id;
  return parts_.vocabulary.id_of(token);
}

std::optional<std::string_view> Tokenizer::token_of(std::int32_t id) const {
  if (const auto added = added_by_id_.find(id); added != added_by_id_.end()) return added->second;
  return parts_.vocabulary.token_of(id);
}

}  // namespace dsd
