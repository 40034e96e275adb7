#include "core/text/pattern_reader.h"

#include "core/base/error.h"
#include "core/text/code_class.h"
#include "core/text/utf8.h"

namespace dsd {

namespace {
constexpr std::size_t kLongestPattern = std::size_t{1} << 14;
constexpr int kMostDepth = 32;
}  // namespace

PatternReader::PatternReader(std::string_view source) : source_(source) {
  if (source.size() > kLongestPattern)
    fail("a pattern of {} bytes is not read (at most {})", source.size(), kLongestPattern);
}

bool PatternReader::take(std::string_view text) {
  if (!sees(text)) return false;
  at_ += text.size();
  return true;
}

bool PatternReader::take(char c) { return take(std::string_view(&c, 1)); }

char32_t PatternReader::code() {
  if (at_end()) unsupported("an end at this place");
  return next_code_point(source_, at_);
}

std::optional<std::size_t> PatternReader::number(std::size_t most) {
  const std::size_t begin = at_;
  std::size_t value = 0;
  for (; peek() >= '0' && peek() <= '9'; ++at_) {
    value = value * 10 + static_cast<std::size_t>(peek() - '0');
    if (value > most) unsupported("a count so large");
  }
  if (at_ == begin) return std::nullopt;
  return value;
}

char32_t PatternReader::hexadecimal(std::size_t digits) {
  char32_t value = 0;
  for (std::size_t i = 0; i < digits; ++i, ++at_) {
    const char c = peek();
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (lower >= '0' && lower <= '9') value = value * 16 + static_cast<char32_t>(lower - '0');
    else if (lower >= 'a' && lower <= 'f') value = value * 16 + static_cast<char32_t>(lower - 'a' + 10);
    else unsupported("a code point without its digits");
    if (value > 0x10FFFF) unsupported("a code point above U+10FFFF");
  }
  return value;
}

std::string_view PatternReader::until(char end) {
  const std::size_t begin = at_, found = source_.find(end, at_);
  if (found == std::string_view::npos) unsupported("a name without its end");
  at_ = found + 1;
  return source_.substr(begin, found - begin);
}

std::optional<CodeSet> PatternReader::class_of(std::string_view name) {
  const auto found = classes_.find(name);
  if (found != classes_.end()) return found->second;
  return classes_.emplace(name, class_of_name(name)).first->second;
}

void PatternReader::unsupported(std::string_view what) const { fail("byte {}: {} is not supported", at_, what); }

PatternReader::Depth::Depth(PatternReader& reader) : reader_(reader) {
  if (++reader.depth_ <= kMostDepth) return;
  --reader.depth_;
  reader.unsupported("nesting so deep");
}

}  // namespace dsd
