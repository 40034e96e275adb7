#include "core/text/pattern_class.h"

#include <cctype>

namespace dsd {
namespace {

CodeSet ignoring_case(PatternReader& reader, const CodeSet& set) {
  constexpr std::size_t kMostCodes = 1000;
  CodeSet out = set;
  std::size_t count = 0;
  for (const CodeRange range : set.ranges())
    for (char32_t code = range.first; code <= range.last; ++code) {
      if (++count > kMostCodes) reader.unsupported("(?i) over so many characters");
      const auto forms = without_case(code);
      if (!forms) reader.unsupported("(?i) over a letter that has no one other form");
      out = out.united(*forms);
    }
  return out;
}

// After '\p': {L}, {^L}.
CodeSet named(PatternReader& reader, bool negative) {
  if (!reader.take('{')) reader.unsupported("'\\p' without '{'");
  if (reader.take('^')) negative = !negative;
  const std::string_view name = reader.until('}');
  const bool is_name = name.find('\\') == std::string_view::npos;
  const auto found = is_name ? reader.class_of(name) : std::nullopt;
  if (!found) reader.unsupported("'\\p{" + std::string(name.substr(0, 40)) + "}'");
  return negative ? found->others() : *found;
}

std::optional<CodeSet> class_escape(PatternReader& reader, bool in_brackets) {
  if (reader.take('s')) return reader.class_of("\\s");
  if (reader.take('S')) return reader.class_of("\\s")->others();
  if (reader.take('d')) return reader.class_of("Nd");
  if (reader.take('D')) return reader.class_of("Nd")->others();
  if (reader.take('w')) return reader.class_of(in_brackets ? "[\\w]" : "\\w");
  if (reader.take('W')) return reader.class_of(in_brackets ? "[\\w]" : "\\w")->others();
  if (reader.take('p')) return named(reader, false);
  if (reader.take('P')) return named(reader, true);
  return std::nullopt;
}

// After '\': the character that is meant.
char32_t character_escape(PatternReader& reader) {
  constexpr std::pair<char, char32_t> kControls[] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'},
                                                     {'f', '\f'}, {'v', '\v'}, {'a', '\a'}};
  for (const auto& [letter, code] : kControls)
    if (reader.take(letter)) return code;
  if (reader.take("x{")) {
    const std::string_view digits = reader.until('}');
    if (digits.empty() || digits.size() > 8) reader.unsupported("a code point of so many digits");
    PatternReader inner(digits);
    return inner.hexadecimal(digits.size());
  }
  if (reader.take('x')) {
    const char32_t code = reader.hexadecimal(2);
    if (code >= 0x80) reader.unsupported("'\\x' for a byte of a character");
    return code;
  }
  if (reader.take('u')) return reader.hexadecimal(4);
  const char32_t code = reader.code();
  if (code < 0x80 && std::isalnum(static_cast<int>(code)) != 0) {
    const char letter = static_cast<char>(code);
    reader.unsupported("'\\" + std::string(1, letter) + "'");
  }
  return code;
}

CodeSet bracket(PatternReader& reader, bool any_case);

// One element of a class: a class within, an escape, a character or a range of them.
CodeSet element(PatternReader& reader) {
  if (reader.sees("[:")) reader.unsupported("'[:' (write '\\p{...}')");
  if (reader.take('[')) return bracket(reader, false);
  char32_t first;
  if (reader.take('\\')) {
    if (auto set = class_escape(reader, true)) {
      if (reader.sees('-') && !reader.sees("-]")) reader.unsupported("a range that begins with a class");
      return *set;
    }
    first = character_escape(reader);
  } else {
    first = reader.code();
  }
  if (!reader.sees('-') || reader.sees("-]") || reader.sees("-&&")) return CodeSet(first, first);
  reader.take('-');
  if (reader.sees('[')) reader.unsupported("a range that ends with a class");
  char32_t last;
  if (reader.take('\\')) {
    if (class_escape(reader, true)) reader.unsupported("a range that ends with a class");
    last = character_escape(reader);
  } else {
    last = reader.code();
  }
  if (last < first) reader.unsupported("a range whose end is before its start");
  return CodeSet(first, last);
}

// After '['. "A && B" holds what is in both; '^' turns the whole.
CodeSet bracket(PatternReader& reader, bool any_case) {
  const PatternReader::Depth depth(reader);
  const bool negative = reader.take('^');
  if (reader.sees(']')) reader.unsupported("an empty class");
  std::optional<CodeSet> left;
  CodeSet set;
  while (!reader.take(']')) {
    if (reader.at_end()) reader.unsupported("a '[' without its ']'");
    if (reader.take("&&")) {
      left = left ? left->shared(set) : set;
      set = CodeSet();
      continue;
    }
    set = set.united(element(reader));
  }
  if (left) set = left->shared(set);
  if (any_case && negative) reader.unsupported("(?i) over '[^'");
  if (any_case) set = ignoring_case(reader, set);
  return negative ? set.others() : set;
}

}  // namespace

CodeSet parse_class(PatternReader& reader, bool any_case) {
  if (reader.take('[')) return bracket(reader, any_case);
  CodeSet set;
  if (reader.take('\\')) {
    if (auto found = class_escape(reader, false)) return *found;  // classes hold all forms of their letters anyway
    const char32_t code = character_escape(reader);
    set = CodeSet(code, code);
  } else {
    for (const char c : {'?', '*', '+', '{', ')'})
      if (reader.sees(c)) reader.unsupported("'" + std::string(1, c) + "' at this place");
    const char32_t code = reader.code();
    set = CodeSet(code, code);
  }
  return any_case ? ignoring_case(reader, set) : set;
}

}  // namespace dsd
