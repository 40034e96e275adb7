#pragma once
// A pattern that text is cut or replaced by: matched as the tokenizers package's engine (Oniguruma) does it, which
// tries alternatives in order and takes back step by step. Compiled once; any number of threads may use one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dsd {

class Pattern {
 public:
  // Throws Error for a pattern that is wrong or uses what is not supported.
  static Pattern regular_expression(std::string_view source);
  static Pattern literal(std::string_view text);

  const std::string& source() const { return source_; }
  bool is_literal() const { return is_literal_; }

  // Calls use(begin, end, is_match) for stretches that cover `text` in order: matches and what stands between. Throws
  // Error where matching would take too long.
  template <class Use>
  void for_each(std::string_view text, Use&& use) const {
    if (text.empty()) return;  // an empty match in an empty text counts for nothing
    std::size_t done = 0;
    for (Search search(text, text.size()); next(search); done = search.match.end) {
      if (done != search.match.begin) use(done, search.match.begin, false);
      use(search.match.begin, search.match.end, true);
    }
    if (done != text.size()) use(done, text.size(), false);
  }

 private:
  static constexpr std::size_t kMostAlternatives = 32;
  enum class Op : std::uint8_t { set, loop, split, look, line_begin, line_end, text_begin, text_end, accept };
  struct Step {
    Op op = Op::accept;
    std::uint8_t set = 0;    // set, loop: its bit
    bool keeps_all = false;  // loop: has never to give back
    bool negative = false;   // look
    std::uint32_t next = 0;
    std::uint32_t other = 0;          // split: the second choice; look: the first step of what is looked for
    std::size_t least = 0, most = 0;  // loop; look: `least` code points before this place
  };
  // Of a code point: the sets that it is in and the alternatives that it can start, a bit each.
  struct Signature {
    std::uint64_t sets = 0;
    std::uint32_t starts = 0;
    friend bool operator==(const Signature&, const Signature&) = default;
  };
  struct Match {
    std::size_t begin = 0, end = 0;
  };
  struct Retry {  // where to go on when a try fails
    std::uint32_t step;
    std::size_t at, least;  // it may be tried once for each code point from `at` down to `least`
  };
  // The state of a walk over one text.
  struct Search {
    Search(std::string_view text_in, std::size_t size);
    std::string_view text;
    std::size_t from = 0;
    bool has_match = false;
    Match match;
    std::int64_t effort;  // how much may still be tried
    std::vector<Retry> retries;
    std::array<std::size_t, kMostAlternatives> dead_until{};  // of each alternative: it matches nowhere before
  };
  class Compiler;

  bool next(Search& search) const;
  bool find(Search& search, Match& match) const;
  std::size_t try_at(Search& search, std::size_t at, std::uint32_t starts) const;
  std::size_t run(Search& search, std::uint32_t step, std::size_t at) const;
  bool walk_loop(Search& search, const Step& step, std::size_t& at) const;
  bool holds(Search& search, const Step& step, std::size_t at) const;
  bool takes(const Search& search, const Step& step, std::size_t& at) const;
  const Signature& signature(std::string_view text, std::size_t& at) const;  // moves `at` past the code point
  void spend(Search& search, std::size_t effort) const;

  std::string source_;
  bool is_literal_ = false;
  std::vector<Step> steps_;
  std::vector<std::uint32_t> alternatives_;  // their first steps, in order
  std::uint32_t free_starts_ = 0;            // alternatives that may match without any text
  std::array<Signature, 128> ascii_{};
  std::vector<Signature> signatures_;
  std::vector<std::uint16_t> pages_;  // for 256 code points each, where their signatures' numbers are in blocks_
  std::vector<std::array<std::uint16_t, 256>> blocks_;
};

}  // namespace dsd
