#include "core/text/merges.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/text/json_part.h"

namespace dsd {

std::optional<std::pair<std::string_view, std::string_view>> split_merge(std::string_view text) {
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos || text.find(' ', blank + 1) != std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, blank), text.substr(blank + 1)};
}

std::optional<Bpe::Merge> find_merge(const Vocabulary& vocabulary, std::string_view left, std::string_view right,
                                     std::string_view prefix, std::string& complaint) {
  const auto id_of = [&](std::string_view token) -> std::int32_t {
    if (const auto id = vocabulary.id_of(token)) return *id;
    if (complaint.empty()) complaint = fmt::format("'{}' is not in the vocabulary", printable(token));
    return TokenTable::kNothing;
  };
  if (right.size() < prefix.size()) {
    complaint = fmt::format("'{}' is shorter than the prefix '{}'", printable(right), printable(prefix));
    return std::nullopt;
  }
  std::string whole(left);
  whole += right.substr(prefix.size());
  const Bpe::Merge merge{id_of(left), id_of(right), id_of(whole)};
  if (!complaint.empty()) return std::nullopt;
  return merge;
}

std::vector<Bpe::Merge> read_merges_file(const std::filesystem::path& path, const Vocabulary& vocabulary) {
  constexpr std::size_t kMostBytes = std::size_t{64} << 20;
  const std::string text = read_text(path, kMostBytes);
  std::vector<Bpe::Merge> merges;
  std::size_t number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    const auto pair = split_merge(line);
    if (!pair)
      fail("{}:{}: expected two tokens with a blank between, found '{}'", path.string(), number, printable(line));
    std::string complaint;
    const auto merge = find_merge(vocabulary, pair->first, pair->second, "", complaint);
    if (!merge) fail("{}:{}: {}", path.string(), number, complaint);
    merges.push_back(*merge);
  }
  return merges;
}

}  // namespace dsd
