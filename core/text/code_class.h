#pragma once
// The classes of code points that a pattern can name, as the package's engine (Oniguruma with Unicode 16) has them; its
// other parts carry other versions (unicode.h).

#include <optional>
#include <string_view>

#include "core/text/code_set.h"

namespace dsd {

// A general category (`L`, `Lu`), `Any` or one of the scripts Han, Hangul, Hiragana and Katakana: capitals, blanks, '-'
// and '_' do not matter. Or `\s`, `\w` and, as \w is in brackets, `[\w]`. Nothing for any other name.
std::optional<CodeSet> class_of_name(std::string_view name);

// All code points that are `code` once case is ignored, itself among them. Nothing where ignoring case takes more than
// one code point for another (as U+00DF for "ss"), or where versions of Unicode differ.
std::optional<CodeSet> without_case(char32_t code);
// Whether one code point stands for these several once case is ignored.
bool has_one_form_without_case(std::u32string_view several);

}  // namespace dsd
