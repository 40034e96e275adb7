#include "core/text/decoder.h"

#include <string_view>
#include <utility>

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

std::string decode(const JoinDecoder&, const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) {
    if (!text.empty()) text += ' ';
    text += token;
  }
  return text;
}

std::string decode(const WordPieceDecoder& decoder, const std::vector<std::string>& tokens) {
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool continues = i > 0 && tokens[i].starts_with(decoder.prefix);
    std::string token = i > 0 && !continues ? " " : "";
    token += std::string_view(tokens[i]).substr(continues ? decoder.prefix.size() : 0);
    if (decoder.cleanup) clean_up(token);
    text += token;
  }
  return text;
}

}  // namespace

std::string decode_tokens(const Decoder& decoder, const std::vector<std::string>& tokens) {
  return std::visit([&](const auto& each) { return decode(each, tokens); }, decoder);
}

}  // namespace dsd
