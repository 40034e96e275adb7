#include "core/formats/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/formats/json.h"

namespace dsd {
namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kKinds = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr std::size_t kMostTokens = std::size_t{1} << 24;
constexpr std::size_t kLongestCut = 1024;  // bytes of a token whose cuts are tried; trying all is quadratic

bool continues(unsigned char byte) { return (byte & 0xc0) == 0x80; }

// Bytes of the code point that starts here; 0 where none does. Overlong forms and surrogates are none.
std::size_t code_point_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xc2 && lead < 0xe0   ? 2
                           : lead >= 0xe0 && lead < 0xf0 ? 3
                           : lead >= 0xf0 && lead < 0xf5 ? 4
                                                         : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if (!continues(byte(i))) return 0;
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
  return size;
}

std::int64_t code_points(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return !continues(static_cast<unsigned char>(c)); });
}

std::string quoted(std::string_view text) { return brief(std::string(text)); }

std::vector<GgufTokenKind> read_kinds(const GgufFile& file, std::size_t tokens) {
  const GgufKeys keys(file);
  if (!keys.has(kKinds)) return std::vector<GgufTokenKind>(tokens, GgufTokenKind::normal);
  std::vector<GgufTokenKind> kinds;
  for (const std::int64_t kind : keys.integers(kKinds)) {
    if (kind < 1 || kind > 6)
      fail("{}: '{}' gives token {} the type {}; expected 1 to 6", file.source(), kKinds, kinds.size(), kind);
    kinds.push_back(static_cast<GgufTokenKind>(kind));
  }
  if (kinds.size() != tokens) fail("{}: '{}' has {} items for {} tokens", file.source(), kKinds, kinds.size(), tokens);
  return kinds;
}

struct Cut {
  std::string_view left, right;
  float score;
  std::int64_t left_size, right_size;  // in code points
  std::int64_t left_id, right_id;
};

void add_cuts(const GgufVocabulary& vocabulary, std::string_view token, float score, std::vector<Cut>& cuts) {
  const auto first = static_cast<std::ptrdiff_t>(cuts.size());
  for (std::size_t at = code_point_bytes(token); at < token.size(); at += code_point_bytes(token.substr(at))) {
    const auto left = vocabulary.ids.find(token.substr(0, at));
    if (left == vocabulary.ids.end()) continue;
    const auto right = vocabulary.ids.find(token.substr(at));
    if (right == vocabulary.ids.end()) continue;
    cuts.push_back({left->first, right->first, score, code_points(left->first), code_points(right->first), left->second,
                    right->second});
  }
  std::sort(cuts.begin() + first, cuts.end(), [](const Cut& a, const Cut& b) {
    return std::pair(a.left_id, a.right_id) < std::pair(b.left_id, b.right_id);
  });
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = code_point_bytes(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

GgufVocabulary read_gguf_vocabulary(const GgufFile& file) {
  GgufVocabulary vocabulary;
  vocabulary.tokens = GgufKeys(file).texts(kTokens);
  const std::size_t count = vocabulary.tokens.size();
  if (count == 0 || count > kMostTokens)
    fail("{}: '{}' has {} tokens; expected 1 to {}", file.source(), kTokens, count, kMostTokens);
  vocabulary.kinds = read_kinds(file, count);
  vocabulary.ids.reserve(count);
  for (std::size_t id = 0; id < count; ++id) {
    const std::string_view token = vocabulary.tokens[id];
    if (!is_utf8(token)) fail("{}: '{}': token {} is not valid UTF-8", file.source(), kTokens, id);
    const auto [twin, is_new] = vocabulary.ids.emplace(token, static_cast<std::int64_t>(id));
    if (!is_new)
      fail("{}: '{}': tokens {} and {} are both '{}'", file.source(), kTokens, twin->second, id, quoted(token));
  }
  return vocabulary;
}

std::optional<std::int64_t> gguf_token_id(const GgufFile& file, const GgufVocabulary& vocabulary,
                                          std::string_view role) {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", role);
  const GgufKeys keys(file);
  if (!keys.has(key)) return std::nullopt;
  return keys.integer(key, 0, static_cast<std::int64_t>(vocabulary.tokens.size()) - 1);
}

GgufMerges read_gguf_merges(const GgufFile& file, const GgufVocabulary& vocabulary) {
  GgufMerges merges;
  std::string whole;
  for (const std::string_view merge : GgufKeys(file).texts(kMerges)) {
    const std::size_t space = merge.find(' ', 1);
    const std::string_view left = merge.substr(0, space);
    const std::string_view right = space == std::string_view::npos ? "" : merge.substr(space + 1);
    whole.assign(left).append(right);
    if (right.empty() || !vocabulary.ids.contains(left) || !vocabulary.ids.contains(right) ||
        !vocabulary.ids.contains(whole))
      fail("{}: '{}': merge {} is '{}'; expected two tokens with a space between that make a third", file.source(),
           kMerges, merges.size(), quoted(merge));
    merges.emplace_back(left, right);
  }
  return merges;
}

GgufMerges merges_of_scores(const GgufFile& file, const GgufVocabulary& vocabulary) {
  const std::vector<float> scores = GgufKeys(file).numbers(kScores);
  if (scores.size() != vocabulary.tokens.size())
    fail("{}: '{}' has {} items for {} tokens", file.source(), kScores, scores.size(), vocabulary.tokens.size());
  std::vector<Cut> cuts;
  for (std::size_t id = 0; id < scores.size(); ++id) {
    if (std::isnan(scores[id])) fail("{}: '{}': token {} has no number", file.source(), kScores, id);
    // SentencePiece makes no other kind by merging; such a token is matched whole, or never.
    if (vocabulary.kinds[id] != GgufTokenKind::normal || vocabulary.tokens[id].empty()) continue;
    if (vocabulary.tokens[id].size() > kLongestCut)
      fail("{}: 'tokenizer.ggml.tokens': token {} has {} bytes; at most {} are read", file.source(), id,
           vocabulary.tokens[id].size(), kLongestCut);
    add_cuts(vocabulary, vocabulary.tokens[id], scores[id], cuts);
  }
  std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) {
    return std::tuple(a.score, a.left_size, a.right_size) > std::tuple(b.score, b.left_size, b.right_size);
  });
  GgufMerges merges;
  for (const Cut& cut : cuts) merges.emplace_back(cut.left, cut.right);
  return merges;
}

}  // namespace dsd
