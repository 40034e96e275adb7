// Words and slips of typing.
#include "core/data/typing_slips.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/data/words.h"
#include "tests/check.h"

using namespace dsd;

namespace {

std::vector<std::string> words_in(std::string_view text) {
  std::vector<std::string> words;
  for (const auto [begin, end] : words_of(text)) words.emplace_back(text.substr(begin, end - begin));
  return words;
}

// Insertions, deletions, substitutions and swaps of neighbours.
int edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = static_cast<int>(i + j);
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

const RandomKey kKey{.seed = 4, .purpose = Purpose::adversary};

}  // namespace

TEST_CASE("words stand between blanks and punctuation; an apostrophe or a hyphen within is of them") {
  CHECK(words_in("It's a well-made film, isn't it? -- 'yes' caf\xC3\xA9.") ==
        std::vector<std::string>{"It's", "a", "well-made", "film", "isn't", "it", "yes", "caf\xC3\xA9"});
  CHECK(words_in(" ,. -'").empty());
  const std::string text = "one two, three";
  CHECK(with_words(text, [](std::string_view, std::size_t) { return std::nullopt; }) == text);
  CHECK(with_words(text, [](std::string_view word, std::size_t index) {
          return index == 1 ? std::optional("<" + std::string(word) + ">") : std::nullopt;
        }) == "one <two>, three");
}

TEST_CASE("a slip is one edit within a word, after its first character") {
  const std::string text = "remarkable performances throughout this entirely wonderful picture of an old house";
  std::set<std::string> seen;
  for (std::uint64_t row = 0; row < 200; ++row) {
    const auto before = words_in(text), after = words_in(with_slips(text, 1, kKey, row));
    REQUIRE(after.size() == before.size());
    for (std::size_t w = 0; w < before.size(); ++w) {
      if (before[w].size() < 3) {
        CHECK(after[w] == before[w]);
        continue;
      }
      CHECK(edits(before[w], after[w]) <= 1);  // two equal letters may change places
      if (before[w].size() > 2) CHECK(after[w][0] == before[w][0]);
      seen.insert(after[w]);
    }
  }
  CHECK(seen.size() > 100);
}

TEST_CASE("slips come as often as asked for, the same ones for the same key and row") {
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "wonderful ";
  CHECK(with_slips(text, 0, kKey, 0) == text);
  const auto words = words_in(with_slips(text, 0.25, kKey, 7));
  const auto changed = std::ranges::count_if(words, [](const std::string& word) { return word != "wonderful"; });
  CHECK(std::abs(static_cast<double>(changed) - 1000) < 4 * std::sqrt(4000 * 0.25 * 0.75));
  CHECK(with_slips(text, 0.25, kKey, 7) == with_slips(text, 0.25, kKey, 7));
  CHECK(with_slips(text, 0.25, kKey, 7) != with_slips(text, 0.25, kKey, 8));
}

TEST_CASE("characters of several bytes stay whole") {
  const std::string text = "\xC3\xA9t\xC3\xA9\xC3\xA9\xC3\xA0\xE2\x82\xAC";
  for (std::uint64_t row = 0; row < 100; ++row) {
    const std::string slipped = with_slips(text, 1, kKey, row);
    for (std::size_t i = 0; i < slipped.size();) {
      const auto lead = static_cast<unsigned char>(slipped[i]);
      const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : 3;
      REQUIRE(i + length <= slipped.size());
      for (std::size_t k = 1; k < length; ++k) CHECK((static_cast<unsigned char>(slipped[i + k]) & 0xC0) == 0x80);
      i += length;
    }
  }
}
