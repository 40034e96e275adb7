#pragma once
// What the tokenizers package takes each code point for. Its parts carry tables of different Unicode versions, and ids
// depend on them, so each question names its version; ICU answers, cut back to it or completed by a short table.

#include <array>
#include <cstdint>
#include <optional>

namespace dsd {

// Version of the tokenizers package whose answers these are.
inline constexpr const char* kReferenceTokenizers = "0.23.3";

bool is_white_space(char32_t code);       // White_Space, stable since Unicode 6.3
bool is_removed_control(char32_t code);   // what BERT's cleaning drops: Cc, Cf (Unicode 8), Co, U+FFFD; not \t \n \r
bool is_bert_punctuation(char32_t code);  // ASCII's 32 marks and category P (Unicode 8)
bool is_bert_ideograph(char32_t code);    // the blocks that BERT sets apart with spaces
bool is_nonspacing_mark(char32_t code);   // category Mn (Unicode 8)
bool is_mark(char32_t code);              // category M (Unicode 9)
bool is_word_character(char32_t code);    // \w of the regex crate (Unicode 16)
bool is_numeric(char32_t code);           // category N (Unicode 17)

// Full lower case without context (Unicode 17). The second code point is 0 except for U+0130.
std::array<char32_t, 2> to_lower(char32_t code);

// Normalisation as of Unicode 9: newer code points stay as they are and order nothing.
std::uint8_t combining_class(char32_t code);
// The full decomposition, written to `out`; its length, 0 when the code point stays as it is.
inline constexpr int kLongestDecomposition = 18;
int decompose(char32_t code, bool compatible, char32_t* out);
std::optional<char32_t> compose(char32_t first, char32_t second);
// Text of such code points alone is its own NFC. (Some text that is its own NFC has others.)
bool is_composed_as_it_is(char32_t code);

}  // namespace dsd
