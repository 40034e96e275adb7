#include "core/text/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include <algorithm>
#include <iterator>

#include "core/base/error.h"

namespace dsd {
namespace {

struct CodeRange {
  char32_t first, last;
};

template <std::size_t N>
bool is_in(const CodeRange (&ranges)[N], char32_t code) {
  const auto* found = std::upper_bound(std::begin(ranges), std::end(ranges), code,
                                       [](char32_t value, const CodeRange& range) { return value < range.first; });
  return found != std::begin(ranges) && code <= std::prev(found)->last;
}

// Letters, marks and digits that Unicode 15.1 and 16 brought, for an ICU that does not know them yet (72 has Unicode
// 15). U+A7CE to U+A7D4, U+16EA0 and other letters of Unicode 17 are no part of \w here.
constexpr CodeRange kNewWordCharacters[] = {
    {0x897, 0x897},     {0x1C89, 0x1C8A},   {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3},
    {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC},
    {0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0},
    {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A}, {0x13460, 0x143FA},
    {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79}, {0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9},
    {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D},
};

// Digits and numbers that Unicode 16 and 17 brought.
constexpr CodeRange kNewNumerics[] = {
    {0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9}, {0x11DE0, 0x11DE9}, {0x16130, 0x16139},
    {0x16D70, 0x16D79}, {0x16FF4, 0x16FF6}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};

// Capitals that Unicode 16 and 17 brought, with the distance to their small letters.
struct NewCapitals {
  char32_t first, last, step;
  int to_small;
};
constexpr NewCapitals kNewCapitals[] = {
    {0x1C89, 0x1C89, 1, 1},      {0xA7CB, 0xA7CB, 1, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CE, 2, 1},      {0xA7D2, 0xA7D4, 2, 1},
    {0xA7DA, 0xA7DA, 1, 1},      {0xA7DC, 0xA7DC, 1, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 1, 0x20}, {0x16EA0, 0x16EB8, 1, 0x1B},
};

UChar32 icu(char32_t code) { return static_cast<UChar32>(code); }

std::uint32_t category(char32_t code) { return U_GET_GC_MASK(icu(code)); }

// Assigned no later than Unicode `major`.0.
bool is_as_old_as(char32_t code, int major) {
  UVersionInfo age;
  u_charAge(icu(code), age);
  return age[0] < major || (age[0] == major && age[1] == 0);
}

// ICU's own tables, built into its library: not to be opened twice, never closed.
const UNormalizer2* normalizer(bool compatible) {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* found = compatible ? unorm2_getNFKCInstance(&status) : unorm2_getNFCInstance(&status);
  if (U_FAILURE(status)) fail("ICU's normalisation tables are missing ({}); install libicu", u_errorName(status));
  return found;
}

}  // namespace

bool is_white_space(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0D);
  return u_isUWhiteSpace(icu(code));
}

bool is_removed_control(char32_t code) {
  if (code < 0x80) return (code < 0x20 && code != '\t' && code != '\n' && code != '\r') || code == 0x7F;
  if (code == 0xFFFD) return true;
  const std::uint32_t group = category(code);
  if (group & U_GC_CO_MASK) return true;
  return (group & (U_GC_CC_MASK | U_GC_CF_MASK)) && is_as_old_as(code, 8);
}

bool is_bert_punctuation(char32_t code) {
  if (code < 0x80)
    return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
           (code >= 123 && code <= 126);
  // U+166D became a symbol, U+111C9 a mark after Unicode 8.
  if (code == 0x166D || code == 0x111C9) return true;
  return (category(code) & U_GC_P_MASK) && is_as_old_as(code, 8);
}

bool is_bert_ideograph(char32_t code) {
  if (code < 0x3400) return false;
  // BERT's own list begins the last extension at U+2B820; the package says U+2B920, and ids follow the package.
  return (code >= 0x4E00 && code <= 0x9FFF) || code <= 0x4DBF || (code >= 0x20000 && code <= 0x2A6DF) ||
         (code >= 0x2A700 && code <= 0x2B81F) || (code >= 0x2B920 && code <= 0x2CEAF) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0x2F800 && code <= 0x2FA1F);
}

bool is_nonspacing_mark(char32_t code) {
  if (code < 0x300) return false;
  if (code == 0x1734) return true;                                                          // spacing since Unicode 14
  if (code == 0x1885 || code == 0x1886 || code == 0xA9BD || code == 0x111C9) return false;  // no Mn in Unicode 8
  return (category(code) & U_GC_MN_MASK) && is_as_old_as(code, 8);
}

bool is_mark(char32_t code) {
  if (code < 0x300) return false;
  if (code == 0x1CF2 || code == 0x1CF3) return true;  // letters since Unicode 12
  if (code == 0x111C9) return false;                  // punctuation until Unicode 10
  return (category(code) & U_GC_M_MASK) && is_as_old_as(code, 9);
}

bool is_word_character(char32_t code) {
  if (code < 0x80)
    return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || (code >= '0' && code <= '9') || code == '_';
  if (is_in(kNewWordCharacters, code)) return true;
  if (!is_as_old_as(code, 15)) return false;
  return (category(code) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) || u_isUAlphabetic(icu(code)) ||
         u_hasBinaryProperty(icu(code), UCHAR_JOIN_CONTROL);
}

bool is_numeric(char32_t code) {
  if (code < 0x80) return code >= '0' && code <= '9';
  if (is_in(kNewNumerics, code)) return true;
  return (category(code) & U_GC_N_MASK) && is_as_old_as(code, 15);
}

std::array<char32_t, 2> to_lower(char32_t code) {
  if (code < 0x80) return {code >= 'A' && code <= 'Z' ? code + 32 : code, 0};
  if (code == 0x130) return {U'i', 0x307};
  for (const NewCapitals& run : kNewCapitals)
    if (code >= run.first && code <= run.last && (code - run.first) % run.step == 0)
      return {static_cast<char32_t>(icu(code) + run.to_small), 0};
  return {static_cast<char32_t>(u_tolower(icu(code))), 0};
}

std::uint8_t combining_class(char32_t code) {
  if (code < 0x300) return 0;
  const std::uint8_t found = u_getCombiningClass(icu(code));
  return found != 0 && is_as_old_as(code, 9) ? found : 0;
}

int decompose(char32_t code, bool compatible, char32_t* out) {
  if (code < 0xA0) return 0;
  UChar units[2 * kLongestDecomposition];
  UErrorCode status = U_ZERO_ERROR;
  const std::int32_t length = unorm2_getDecomposition(normalizer(compatible), icu(code), units,
                                                      static_cast<std::int32_t>(std::size(units)), &status);
  if (length < 0 || U_FAILURE(status) || !is_as_old_as(code, 9)) return 0;
  int count = 0;
  for (std::int32_t at = 0; at < length;) {
    UChar32 part;
    U16_NEXT(units, at, length, part);
    out[count++] = static_cast<char32_t>(part);
  }
  return count;
}

bool is_composed_as_it_is(char32_t code) {
  if (code < 0x300) return true;
  return u_getIntPropertyValue(icu(code), UCHAR_NFC_QUICK_CHECK) == UNORM_YES && u_getCombiningClass(icu(code)) == 0;
}

std::optional<char32_t> compose(char32_t first, char32_t second) {
  if (second < 0x300) return std::nullopt;  // nothing below combines with what stands before it
  const UChar32 whole = unorm2_composePair(normalizer(false), icu(first), icu(second));
  if (whole < 0 || !is_as_old_as(static_cast<char32_t>(whole), 9)) return std::nullopt;
  return static_cast<char32_t>(whole);
}

}  // namespace dsd
