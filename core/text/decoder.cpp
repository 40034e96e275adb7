#include "core/text/decoder.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/base/error.h"
#include "core/text/byte_level.h"
#include "core/text/utf8.h"

namespace dsd {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// In this order, and within one token: what the package does.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

using Tokens = std::vector<std::string>;

void decode(const JoinDecoder&, Tokens& tokens) {
  for (std::size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, 1, ' ');
}

void decode(const WordPieceDecoder& decoder, Tokens& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool continues = i > 0 && tokens[i].starts_with(decoder.prefix);
    if (continues) tokens[i].erase(0, decoder.prefix.size());
    else if (i > 0) tokens[i].insert(0, 1, ' ');
    if (decoder.cleanup) clean_up(tokens[i]);
  }
}

// A token that is not written in bytes' characters is an added one: it stays.
void decode(const ByteLevelDecoder&, Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += from_byte_level(token).value_or(token);
  tokens.assign(1, valid_utf8(bytes));
}

std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  // As the package reads a number: it takes a sign too.
  const std::string_view digits = token.substr(token[3] == '+' ? 4 : 3, token[3] == '+' ? 1 : 2);
  unsigned byte = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<char>(byte);
}

// A run of byte tokens that is no UTF-8 becomes one U+FFFD for each of them.
void decode(const ByteFallbackDecoder&, Tokens& tokens) {
  Tokens out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (!check_utf8(bytes)) out.push_back(bytes);
    else out.insert(out.end(), bytes.size(), "\uFFFD");
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      bytes += *byte;
      continue;
    }
    flush();
    out.push_back(std::move(token));
  }
  flush();
  tokens = std::move(out);
}

void decode(const FuseDecoder&, Tokens& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  tokens.assign(1, text);
}

void decode(const MetaspaceDecoder& decoder, Tokens& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    replace_all(tokens[i], decoder.replacement, i == 0 && decoder.drops_first ? "" : " ");
}

// `most` bytes may come of all tokens.
void replace(const ReplaceDecoder& decoder, Tokens& tokens, std::size_t most) {
  std::size_t total = 0;
  for (std::string& token : tokens) {
    std::string made;
    decoder.pattern->for_each(token, [&](std::size_t begin, std::size_t end, bool is_match) {
      if (total + made.size() + (is_match ? decoder.content.size() : end - begin) > most)
        fail("the decoder's '{}' makes a text many times as long; such a step is not followed",
             decoder.pattern->source().substr(0, 60));
      if (is_match) made += decoder.content;
      else made.append(token, begin, end - begin);
    });
    total += made.size();
    token = std::move(made);
  }
}

void decode(const StripDecoder& decoder, Tokens& tokens) {
  for (std::string& token : tokens) {
    std::string_view left = token;
    for (std::size_t i = 0; i < decoder.start && left.starts_with(decoder.content); ++i)
      left.remove_prefix(decoder.content.size());
    for (std::size_t i = 0; i < decoder.stop && left.ends_with(decoder.content); ++i)
      left.remove_suffix(decoder.content.size());
    token = std::string(left);
  }
}

void decode(const SuffixDecoder& decoder, Tokens& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i)
    replace_all(tokens[i], decoder.suffix, i + 1 == tokens.size() ? "" : " ");
}

}  // namespace

std::string decode_tokens(std::span<const DecoderStep> steps, std::vector<std::string> tokens) {
  constexpr std::size_t kMostGrowth = 64, kSpare = 1 << 16;  // a file from outside could double it in each step
  std::size_t most = kSpare;
  for (const std::string& token : tokens) most += kMostGrowth * token.size();
  for (const DecoderStep& step : steps) {
    std::visit(
        [&]<class Step>(const Step& each) {
          if constexpr (std::is_same_v<Step, ReplaceDecoder>) replace(each, tokens, most);
          else decode(each, tokens);
        },
        step);
  }
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

}  // namespace dsd
