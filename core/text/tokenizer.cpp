#include "core/text/tokenizer.h"

#include <algorithm>
#include <limits>

#include "core/base/error.h"
#include "core/text/fingerprint.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

std::variant<WordPieceModel> make_model(const TokenizerParts& parts) {
  return std::visit([&](const WordPiece& config) { return WordPieceModel(config, parts.vocabulary); }, parts.model);
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

}  // namespace

struct Tokenizer::Tokens {
  std::vector<std::int32_t> ids;
  std::vector<ByteSpan> spans;

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
  }
};

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(with_shown_tokens(std::move(parts))),
      model_(make_model(parts_)),
      raw_added_(make_finder(parts_, false)),
      normalized_added_(make_finder(parts_, true)),
      fingerprint_(fingerprint_of(parts_)) {}

Tokenizer Tokenizer::load(const std::filesystem::path& file_or_folder) {
  return Tokenizer(read_tokenizer(file_or_folder));
}

Tokenizer::Tokens Tokenizer::tokenize(std::string_view text, bool spans) const {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    fail("a text of {} bytes is too long to tokenize at once; split it into lines", text.size());
  if (const auto bad = check_utf8(text))
    fail("byte {} (0x{:02x}) is not valid UTF-8; convert the text to UTF-8", *bad,
         static_cast<unsigned char>(text[*bad]));
  Tokens out;
  std::vector<Stretch> stretches;
  raw_added_.split(text, stretches);
  for (const Stretch& stretch : stretches) {
    if (stretch.id < 0) {
      tokenize_stretch(text.substr(stretch.begin, stretch.end - stretch.begin), stretch.begin, spans, out);
      continue;
    }
    out.ids.push_back(stretch.id);
    if (spans) out.spans.emplace_back(static_cast<std::int32_t>(stretch.begin), static_cast<std::int32_t>(stretch.end));
  }
  return out;
}

void Tokenizer::tokenize_stretch(std::string_view text, std::size_t offset, bool spans, Tokens& out) const {
  NormalizedText normalized;
  normalize(parts_.normalizer, text, spans, normalized);
  const auto add = [&](std::int32_t id, std::size_t begin, std::size_t end) {
    out.ids.push_back(id);
    if (!spans) return;
    const auto shift = static_cast<std::int32_t>(offset);
    out.spans.emplace_back(normalized.origin[begin].first + shift, normalized.origin[end - 1].second + shift);
  };
  std::vector<Stretch> stretches;
  std::vector<Piece> pieces;
  std::vector<ModelToken> tokens;
  normalized_added_.split(normalized.text, stretches);
  for (const Stretch& stretch : stretches) {
    if (stretch.id >= 0) {
      add(stretch.id, stretch.begin, stretch.end);
      continue;
    }
    const std::string_view plain = std::string_view(normalized.text).substr(stretch.begin, stretch.end - stretch.begin);
    pre_tokenize(parts_.pre_tokenizer, plain, pieces);
    for (const Piece& piece : pieces) {
      tokens.clear();
      std::visit(
          [&](const auto& model) {
            model.tokenize(parts_.vocabulary, plain.substr(piece.begin, piece.end - piece.begin), tokens);
          },
          model_);
      const std::size_t start = stretch.begin + piece.begin;
      for (const ModelToken& token : tokens) add(token.id, start + token.begin, start + token.end);
    }
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
    const bool special = std::any_of(parts_.added.begin(), parts_.added.end(),
                                     [&](const AddedToken& added) { return added.special && added.id == id; });
    if (!special || !skip_special_tokens) tokens.emplace_back(*token);
  }
  return decode_tokens(parts_.decoder, tokens);
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
  for (const AddedToken& added : parts_.added)
    if (added.id == id) return added.shown;
  return parts_.vocabulary.token_of(id);
}

}  // namespace dsd
