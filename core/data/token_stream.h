#pragma once
// The ids of a text that comes piece by piece and may be longer than memory. They are those of the whole text tokenised
// at once: a window is tokenised, and its tokens are taken up to a place about which a second look, from elsewhere,
// agrees.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer.h"

namespace dsd {

class TokenStream {
 public:
  // `window`: bytes tokenised at once. `tokenizer` outlives it.
  explicit TokenStream(const Tokenizer& tokenizer, std::size_t window = kWindow);

  // Takes more of the text, in whole characters, and appends the ids that are certain. What the tokenizer's template
  // puts around a text is not among them.
  void add(std::string_view text, std::vector<std::int32_t>& ids);
  // Appends the rest; the next text begins.
  void finish(std::vector<std::int32_t>& ids);

  // Places where no two looks agreed within 16 windows, so that the text was cut before a white space, or anywhere: the
  // tokens beside one of them may differ from those of the whole text.
  std::int64_t forced_cuts() const { return forced_cuts_; }

  static constexpr std::size_t kWindow = std::size_t{1} << 18;

 private:
  bool cut(std::vector<std::int32_t>& ids);
  bool agrees_at(const Encoding& tokens, std::size_t middle, std::size_t from) const;
  void force_cut(std::vector<std::int32_t>& ids);
  std::size_t look_from(std::size_t place) const;
  std::size_t character_at(std::size_t place) const;

  const Tokenizer& tokenizer_;
  std::size_t window_, try_at_;
  std::string text_;       // from a little before what is still to be given
  std::size_t given_ = 0;  // tokens that begin before this byte of it have been given
  std::int64_t forced_cuts_ = 0;
};

}  // namespace dsd
