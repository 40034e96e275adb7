#include "core/text/code_class.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/uset.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "core/base/error.h"

namespace dsd {
namespace {

constexpr auto kUpper = U_UPPERCASE_LETTER, kLower = U_LOWERCASE_LETTER, kModifier = U_MODIFIER_LETTER;
constexpr auto kLetter = U_OTHER_LETTER, kMark = U_NON_SPACING_MARK, kSpacing = U_COMBINING_SPACING_MARK;
constexpr auto kDigit = U_DECIMAL_DIGIT_NUMBER, kPunctuation = U_OTHER_PUNCTUATION, kDash = U_DASH_PUNCTUATION;
constexpr auto kMath = U_MATH_SYMBOL, kSymbol = U_OTHER_SYMBOL;

// What Unicode 15.1 and 16 brought, and U+1171E, which they changed: for an ICU that does not know them yet (72 has
// Unicode 15).
struct NewCategory {
  char32_t first, last;
  UCharCategory category;
};
constexpr NewCategory kNewCategories[] = {
    {0x897, 0x897, kMark},
    {0x1B4E, 0x1B4F, kPunctuation},
    {0x1B7F, 0x1B7F, kPunctuation},
    {0x1C89, 0x1C89, kUpper},
    {0x1C8A, 0x1C8A, kLower},
    {0x2427, 0x2429, kSymbol},
    {0x2FFC, 0x2FFF, kSymbol},
    {0x31E4, 0x31E5, kSymbol},
    {0x31EF, 0x31EF, kSymbol},
    {0xA7CB, 0xA7CC, kUpper},
    {0xA7CD, 0xA7CD, kLower},
    {0xA7DA, 0xA7DA, kUpper},
    {0xA7DB, 0xA7DB, kLower},
    {0xA7DC, 0xA7DC, kUpper},
    {0x105C0, 0x105F3, kLetter},
    {0x10D40, 0x10D49, kDigit},
    {0x10D4A, 0x10D4D, kLetter},
    {0x10D4E, 0x10D4E, kModifier},
    {0x10D4F, 0x10D4F, kLetter},
    {0x10D50, 0x10D65, kUpper},
    {0x10D69, 0x10D6D, kMark},
    {0x10D6E, 0x10D6E, kDash},
    {0x10D6F, 0x10D6F, kModifier},
    {0x10D70, 0x10D85, kLower},
    {0x10D8E, 0x10D8F, kMath},
    {0x10EC2, 0x10EC4, kLetter},
    {0x10EFC, 0x10EFC, kMark},
    {0x11380, 0x11389, kLetter},
    {0x1138B, 0x1138B, kLetter},
    {0x1138E, 0x1138E, kLetter},
    {0x11390, 0x113B5, kLetter},
    {0x113B7, 0x113B7, kLetter},
    {0x113B8, 0x113BA, kSpacing},
    {0x113BB, 0x113C0, kMark},
    {0x113C2, 0x113C2, kSpacing},
    {0x113C5, 0x113C5, kSpacing},
    {0x113C7, 0x113CA, kSpacing},
    {0x113CC, 0x113CD, kSpacing},
    {0x113CE, 0x113CE, kMark},
    {0x113CF, 0x113CF, kSpacing},
    {0x113D0, 0x113D0, kMark},
    {0x113D1, 0x113D1, kLetter},
    {0x113D2, 0x113D2, kMark},
    {0x113D3, 0x113D3, kLetter},
    {0x113D4, 0x113D5, kPunctuation},
    {0x113D7, 0x113D8, kPunctuation},
    {0x113E1, 0x113E2, kMark},
    {0x116D0, 0x116E3, kDigit},
    {0x1171E, 0x1171E, kSpacing},
    {0x11BC0, 0x11BE0, kLetter},
    {0x11BE1, 0x11BE1, kPunctuation},
    {0x11BF0, 0x11BF9, kDigit},
    {0x11F5A, 0x11F5A, kMark},
    {0x13460, 0x143FA, kLetter},
    {0x16100, 0x1611D, kLetter},
    {0x1611E, 0x16129, kMark},
    {0x1612A, 0x1612C, kSpacing},
    {0x1612D, 0x1612F, kMark},
    {0x16130, 0x16139, kDigit},
    {0x16D40, 0x16D42, kModifier},
    {0x16D43, 0x16D6A, kLetter},
    {0x16D6B, 0x16D6C, kModifier},
    {0x16D6D, 0x16D6F, kPunctuation},
    {0x16D70, 0x16D79, kDigit},
    {0x18CFF, 0x18CFF, kLetter},
    {0x1CC00, 0x1CCEF, kSymbol},
    {0x1CCF0, 0x1CCF9, kDigit},
    {0x1CD00, 0x1CEB3, kSymbol},
    {0x1E5D0, 0x1E5ED, kLetter},
    {0x1E5EE, 0x1E5EF, kMark},
    {0x1E5F0, 0x1E5F0, kLetter},
    {0x1E5F1, 0x1E5FA, kDigit},
    {0x1E5FF, 0x1E5FF, kPunctuation},
    {0x1F8B2, 0x1F8BB, kSymbol},
    {0x1F8C0, 0x1F8C1, kSymbol},
    {0x1FA89, 0x1FA89, kSymbol},
    {0x1FA8F, 0x1FA8F, kSymbol},
    {0x1FABE, 0x1FABE, kSymbol},
    {0x1FAC6, 0x1FAC6, kSymbol},
    {0x1FADC, 0x1FADC, kSymbol},
    {0x1FADF, 0x1FADF, kSymbol},
    {0x1FAE9, 0x1FAE9, kSymbol},
    {0x1FBCB, 0x1FBEF, kSymbol},
    {0x2EBF0, 0x2EE5D, kLetter},
};

struct Closer {
  void operator()(USet* set) const { uset_close(set); }
};
using IcuSet = std::unique_ptr<USet, Closer>;

void check(UErrorCode status) {
  if (U_FAILURE(status)) fail("ICU's tables of characters are missing ({}); install libicu", u_errorName(status));
}

CodeSet ranges_of(const USet* set) {
  std::vector<CodeRange> ranges;
  for (std::int32_t i = 0; i < uset_getItemCount(set); ++i) {
    UChar32 first, last;
    UErrorCode status = U_ZERO_ERROR;
    if (uset_getItem(set, i, &first, &last, nullptr, 0, &status) == 0)
      ranges.push_back({static_cast<char32_t>(first), static_cast<char32_t>(last)});
  }
  return CodeSet(std::move(ranges));
}

CodeSet with_property(UProperty property, std::int32_t value) {
  const IcuSet set(uset_openEmpty());
  UErrorCode status = U_ZERO_ERROR;
  uset_applyIntPropertyValue(set.get(), property, value, &status);
  check(status);
  return ranges_of(set.get());
}

// The code points of Unicode 15, where ICU knows more than them; else all.
CodeSet known() {
  constexpr std::uint8_t kVersion = 15;
  UVersionInfo version;
  u_getUnicodeVersion(version);
  if (version[0] <= kVersion) return CodeSet(0, kLastCodePoint);
  constexpr std::u16string_view kAge = u"[:Age=15.0:]";
  UErrorCode status = U_ZERO_ERROR;
  const IcuSet set(uset_openPattern(kAge.data(), static_cast<std::int32_t>(kAge.size()), &status));
  check(status);
  return ranges_of(set.get());
}

CodeSet with_category(std::uint32_t mask) {
  CodeSet old = with_property(UCHAR_GENERAL_CATEGORY_MASK, static_cast<std::int32_t>(mask)).shared(known());
  if (mask & U_GC_CN_MASK) old = old.united(known().others());
  std::vector<CodeRange> changed, wanted;
  for (const auto& [first, last, category] : kNewCategories) {
    changed.push_back({first, last});
    if (mask & U_MASK(category)) wanted.push_back({first, last});
  }
  return old.shared(CodeSet(std::move(changed)).others()).united(CodeSet(std::move(wanted)));
}

CodeSet with_script(UScriptCode script) {
  const CodeSet codes = with_property(UCHAR_SCRIPT, script).shared(known());
  return script == USCRIPT_HAN ? codes.united(CodeSet(0x2EBF0, 0x2EE5D)) : codes;
}

std::optional<std::uint32_t> category_mask(std::string_view name) {
  constexpr std::pair<std::string_view, std::uint32_t> kMasks[] = {
      {"l", U_GC_L_MASK},   {"m", U_GC_M_MASK},   {"n", U_GC_N_MASK},   {"p", U_GC_P_MASK},   {"s", U_GC_S_MASK},
      {"z", U_GC_Z_MASK},   {"c", U_GC_C_MASK},   {"lu", U_GC_LU_MASK}, {"ll", U_GC_LL_MASK}, {"lt", U_GC_LT_MASK},
      {"lm", U_GC_LM_MASK}, {"lo", U_GC_LO_MASK}, {"mn", U_GC_MN_MASK}, {"mc", U_GC_MC_MASK}, {"me", U_GC_ME_MASK},
      {"nd", U_GC_ND_MASK}, {"nl", U_GC_NL_MASK}, {"no", U_GC_NO_MASK}, {"pc", U_GC_PC_MASK}, {"pd", U_GC_PD_MASK},
      {"ps", U_GC_PS_MASK}, {"pe", U_GC_PE_MASK}, {"pi", U_GC_PI_MASK}, {"pf", U_GC_PF_MASK}, {"po", U_GC_PO_MASK},
      {"sm", U_GC_SM_MASK}, {"sc", U_GC_SC_MASK}, {"sk", U_GC_SK_MASK}, {"so", U_GC_SO_MASK}, {"zs", U_GC_ZS_MASK},
      {"zl", U_GC_ZL_MASK}, {"zp", U_GC_ZP_MASK}, {"cc", U_GC_CC_MASK}, {"cf", U_GC_CF_MASK}, {"co", U_GC_CO_MASK},
      {"cn", U_GC_CN_MASK},
  };
  const auto* found =
      std::find_if(std::begin(kMasks), std::end(kMasks), [&](auto& mask) { return mask.first == name; });
  if (found == std::end(kMasks)) return std::nullopt;
  return found->second;
}

// By itself \w has Latin-1's superscripts and fractions, in brackets it has not: the engine looks at two tables.
CodeSet words(bool in_brackets) {
  constexpr std::uint32_t kMask = U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK | U_GC_NL_MASK | U_GC_PC_MASK;
  const CodeSet codes = with_category(kMask).united(with_property(UCHAR_ALPHABETIC, 1).shared(known()));
  if (in_brackets) return codes;
  return codes.united(CodeSet({{0xB2, 0xB3}, {0xB9, 0xB9}, {0xBC, 0xBE}}));
}

IcuSet closed_over_case(std::u32string_view codes) {
  std::u16string text;
  for (const char32_t code : codes) {
    if (code > 0xFFFF) return nullptr;
    text += static_cast<char16_t>(code);
  }
  IcuSet set(uset_openEmpty());
  if (codes.size() == 1) uset_add(set.get(), static_cast<UChar32>(codes[0]));
  else uset_addString(set.get(), text.data(), static_cast<std::int32_t>(text.size()));
  uset_closeOver(set.get(), USET_CASE_INSENSITIVE);
  return set;
}

}  // namespace

std::optional<CodeSet> class_of_name(std::string_view name) {
  if (name == "\\s") return with_property(UCHAR_WHITE_SPACE, 1);
  if (name == "\\w" || name == "[\\w]") return words(name != "\\w");
  constexpr std::size_t kLongestName = 32;
  std::string plain;
  for (const char c : name.substr(0, kLongestName))
    if (c != ' ' && c != '-' && c != '_') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (const auto mask = category_mask(plain)) return with_category(*mask);
  if (plain == "any") return CodeSet(0, kLastCodePoint);
  if (plain == "han") return with_script(USCRIPT_HAN);
  if (plain == "hangul") return with_script(USCRIPT_HANGUL);
  if (plain == "hiragana") return with_script(USCRIPT_HIRAGANA);
  if (plain == "katakana") return with_script(USCRIPT_KATAKANA);
  return std::nullopt;
}

std::optional<CodeSet> without_case(char32_t code) {
  constexpr char32_t kLastStable = 0x17F;  // letters behind it got new partners in Unicode 16
  if (code > kLastStable) return std::nullopt;
  const IcuSet set = closed_over_case(std::u32string_view(&code, 1));
  CodeSet codes = ranges_of(set.get());
  std::size_t count = 0;
  for (const CodeRange range : codes.ranges()) count += range.last - range.first + 1;
  if (static_cast<std::size_t>(uset_size(set.get())) != count) return std::nullopt;  // it holds strings too
  return codes;
}

bool has_one_form_without_case(std::u32string_view several) {
  const IcuSet set = closed_over_case(several);
  return set != nullptr && !ranges_of(set.get()).empty();
}

}  // namespace dsd
