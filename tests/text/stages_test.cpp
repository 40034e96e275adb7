// Each stage by hand: normalisers, pre-tokenisers, WordPiece, decoder, truncation.
#include "tests/text/support.h"

#include "core/text/unicode.h"
#include "core/text/utf8.h"

namespace dsd {

using namespace dsd::testing;

namespace {

std::string normalized(std::vector<NormalizerStep> steps, std::string_view text) {
  NormalizedText out, with_origin;
  normalize(steps, text, false, out);
  normalize(steps, text, true, with_origin);
  CHECK(with_origin.text == out.text);
  CHECK(with_origin.origin.size() == out.text.size());
  CHECK(out.origin.empty());
  return out.text;
}

std::vector<std::string> cut(std::vector<PreTokenizerStep> steps, std::string_view text) {
  std::vector<Piece> pieces;
  PieceText made{text, {}, {}};
  pre_tokenize(steps, true, made, pieces);
  std::vector<std::string> out;
  for (const Piece& piece : pieces) out.emplace_back(made.text.substr(piece.begin, piece.end - piece.begin));
  return out;
}

using Words = std::vector<std::string>;

std::string decode(std::vector<DecoderStep> steps, Words tokens) { return decode_tokens(steps, std::move(tokens)); }

}  // namespace

TEST_CASE("UTF-8: the first byte that is wrong") {
  CHECK_FALSE(check_utf8("plain ASCII, longer than a machine word"));
  CHECK_FALSE(check_utf8("\xC3\xA9 \xE4\xB8\xAD \xF0\x9F\x98\x80 \xF4\x8F\xBF\xBF"));
  CHECK_FALSE(check_utf8(std::string_view("\0", 1)));
  CHECK(check_utf8("ab\xFF") == 2);
  CHECK(check_utf8("\x80") == 0);
  CHECK(check_utf8("a\xC0\x80") == 1);         // overlong
  CHECK(check_utf8("a\xE0\x80\x80") == 1);     // overlong
  CHECK(check_utf8("\xED\xA0\x80") == 0);      // surrogate
  CHECK(check_utf8("\xF4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(check_utf8("eight..8\xE4\xB8") == 8);  // cut
  CHECK(check_utf8("\xE4\xB8\xAD\xE4(") == 3);
}

TEST_CASE("UTF-8: code points forth and back") {
  for (const char32_t code : {0x0u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xFFFFu, 0x10000u, 0x10FFFFu}) {
    std::string text;
    append_utf8(text, code);
    std::size_t at = 0, end = text.size();
    CHECK(next_code_point(text, at) == code);
    CHECK(at == text.size());
    CHECK(previous_code_point(text, end) == code);
    CHECK(end == 0);
  }
}

TEST_CASE("BERT's normaliser") {
  CHECK(normalized({BertNormalizer{}}, "Hello\tWORLD\x01\n") == "hello world ");
  CHECK(normalized({BertNormalizer{}}, "Caf\u00e9 \u00c5") == "cafe a");
  CHECK(normalized({BertNormalizer{}}, "\u4e2da") == " \u4e2d a");
  CHECK(normalized({BertNormalizer{}}, "\u00adx\u200b\ufffd\u00a0y") == "x y");
  CHECK(normalized({BertNormalizer{true, true, false, true}}, "\u0130\u00c9") == "i\u0307\u00e9");
  CHECK(normalized({BertNormalizer{true, false, false, false}}, "\u4e2dA\u00c9") == "\u4e2dA\u00c9");
  CHECK(normalized({BertNormalizer{false, false, false, true}}, "A\tB") == "a\tb");
}

TEST_CASE("Unicode forms, marks, white space") {
  CHECK(normalized({UnicodeForm{false, false}}, "\u1e69") == "s\u0323\u0307");
  CHECK(normalized({UnicodeForm{true, false}}, "s\u0307\u0323") == "\u1e69");
  CHECK(normalized({UnicodeForm{false, false}}, "e\u0301\u0323") == "e\u0323\u0301");  // canonical order
  CHECK(normalized({UnicodeForm{true, false}}, "\u1100\u1161\u11a8") == "\uac01");
  CHECK(normalized({UnicodeForm{false, false}}, "\uac01") == "\u1100\u1161\u11a8");
  CHECK(normalized({UnicodeForm{true, true}}, "\ufb01\uff21\u2460") == "fiA1");
  CHECK(normalized({UnicodeForm{false, true}}, "\u00bd") == "1\u20442");
  CHECK(normalized({UnicodeForm{true, false}}, "a\u0301b") == "\u00e1b");
  CHECK(normalized({UnicodeForm{true, false}}, "\u0301a") == "\u0301a");
  CHECK(normalized({UnicodeForm{false, false}}, "\U00011938") == "\U00011938");  // newer than Unicode 9
  CHECK(normalized({UnicodeForm{false, false}, StripAccents{}}, "\u00e9\u0903") == "e");
  CHECK(normalized({StripAccents{}}, "\u00e9e\u0301") == "\u00e9e");
  CHECK(normalized({Strip{true, false}}, " \u3000a ") == "a ");
  CHECK(normalized({Strip{false, true}}, " a\u2028 ") == " a");
  CHECK(normalized({Strip{}}, "  ") == "");
  CHECK(normalized({Lowercase{}}, "\u03a3\u0391\u03a3 \u1e9e") == "\u03c3\u03b1\u03c3 \u00df");  // no final sigma
  CHECK(normalized({}, "As \u00c9") == "As \u00c9");
}

TEST_CASE("where normalised text comes from") {
  NormalizedText out;
  normalize(std::vector<NormalizerStep>{BertNormalizer{}}, "\u00c9\x01\u4e2d", true, out);
  REQUIRE(out.text == "e \u4e2d ");
  CHECK(out.origin == std::vector<ByteSpan>{{0, 2}, {3, 6}, {3, 6}, {3, 6}, {3, 6}, {3, 6}});
}

TEST_CASE("a long run of marks is sorted, not shuffled, in good time") {
  std::string marks, sorted;
  for (int i = 0; i < 200000; ++i) marks += "\u0301\u0323";
  for (const char* mark : {"\u0323", "\u0301"})
    for (int i = 0; i < 200000; ++i) sorted += mark;
  CHECK(normalized({UnicodeForm{false, false}}, "a" + marks) == "a" + sorted);
}

TEST_CASE("pre-tokenisers") {
  CHECK(cut({BertPreTokenizer{}}, " Hey  friend!?\u3002 ok") == Words{"Hey", "friend", "!", "?", "\u3002", "ok"});
  CHECK(cut({Whitespace{}}, "Hey man!! \u00e9_1-2") == Words{"Hey", "man", "!!", "\u00e9_1", "-", "2"});
  CHECK(cut({WhitespaceSplit{}}, "\tHey, man!\u00a0Good?\n") == Words{"Hey,", "man!", "Good?"});
  CHECK(cut({Digits{false}}, "Hey 123 friend!") == Words{"Hey ", "123", " friend!"});
  CHECK(cut({Digits{true}}, "Hey 123!") == Words{"Hey ", "1", "2", "3", "!"});
  CHECK(cut({WhitespaceSplit{}, Digits{true}}, "a1 2b") == Words{"a", "1", "2", "b"});
  CHECK(cut({}, " as it is ") == Words{" as it is "});
  CHECK(cut({BertPreTokenizer{}}, "") == Words{});
  CHECK(cut({BertPreTokenizer{}}, " \t") == Words{});
}

TEST_CASE("what becomes of delimiters") {
  const std::string text = "the-final--countdown";
  CHECK(cut({Punctuation{SplitBehavior::removed}}, text) == Words{"the", "final", "countdown"});
  CHECK(cut({Punctuation{SplitBehavior::isolated}}, text) == Words{"the", "-", "final", "-", "-", "countdown"});
  CHECK(cut({Punctuation{SplitBehavior::merged_with_previous}}, text) == Words{"the-", "final-", "-", "countdown"});
  CHECK(cut({Punctuation{SplitBehavior::merged_with_next}}, text) == Words{"the", "-final", "-", "-countdown"});
  CHECK(cut({Punctuation{SplitBehavior::contiguous}}, text) == Words{"the", "-", "final", "--", "countdown"});
  CHECK(cut({Punctuation{SplitBehavior::merged_with_previous}}, "-a-") == Words{"-", "a-"});
  CHECK(cut({Punctuation{SplitBehavior::merged_with_next}}, "-a-") == Words{"-a", "-"});
}

TEST_CASE("a trie finds the longest entry, never the empty one") {
  const Trie trie({{"a", 1}, {"abc", 2}, {"", 3}, {"b", 4}, {"a", 5}});
  CHECK(trie.longest("abx").value == 1);
  CHECK(trie.longest("abcd").length == 3);
  CHECK(trie.longest("x").length == 0);
  CHECK(trie.find("") == 3);
  CHECK(trie.find("a") == 1);  // the first of equals
  CHECK(trie.find("ab") == Trie::kNothing);
  CHECK(trie.longest("bc", trie.walk("a")).value == 2);
  CHECK(trie.walk("abd") == Trie::kNowhere);
  CHECK(Trie().longest("a").length == 0);
}

TEST_CASE("WordPiece: longest first from the left, or one unknown token") {
  const Vocabulary vocabulary({{"[UNK]", 0},
                               {"un", 3},
                               {"##aff", 4},
                               {"##able", 5},
                               {"##a", 6},
                               {"", 7},
                               {"##", 8},
                               {"\u00e9", 9},
                               {"##\u00e9", 10}});
  const WordPieceModel model(WordPiece{0, "##", 6}, vocabulary);
  const auto ids = [&](std::string_view piece) {
    std::vector<ModelToken> tokens;
    model.tokenize(piece, tokens);
    Ids out;
    for (const ModelToken& token : tokens) out.push_back(token.id);
    return out;
  };
  CHECK(ids("unaff") == Ids{3, 4});
  CHECK(ids("unaaff") == Ids{3, 6, 4});
  CHECK(ids("unaf") == Ids{0});       // the rest of the word has no entry
  CHECK(ids("able") == Ids{0});       // only within a word
  CHECK(ids("unaffable") == Ids{0});  // nine characters, six are allowed
  CHECK(ids("\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9") == Ids{9, 10, 10, 10, 10, 10});  // characters, not bytes
  CHECK(vocabulary.count() == 9);
  CHECK(vocabulary.rows() == 11);
  CHECK(vocabulary.token_of(4) == "##aff");
  CHECK_FALSE(vocabulary.token_of(1));
  CHECK_FALSE(vocabulary.token_of(-1));
}

TEST_CASE("WordPiece's decoder") {
  CHECK(decode({WordPieceDecoder{"##", false}}, {"##uelo", "Ara", "##\u00faj", "##o", "No", "##guera"}) ==
        "##uelo Ara\u00fajo Noguera");
  CHECK(decode({WordPieceDecoder{}}, {"i", "do", "n't", ",", "ok", "?"}) == "i don't, ok?");
  CHECK(decode({JoinDecoder{}}, {"a", "##b"}) == "a ##b");
}

TEST_CASE("longest first: the longer side gives way, and keeps the odd token") {
  CHECK(longest_first(2, 6, 8) == std::pair<std::size_t, std::size_t>{2, 6});
  CHECK(longest_first(2, 6, 7) == std::pair<std::size_t, std::size_t>{2, 5});
  CHECK(longest_first(6, 2, 5) == std::pair<std::size_t, std::size_t>{3, 2});
  CHECK(longest_first(6, 2, 3) == std::pair<std::size_t, std::size_t>{2, 1});
  CHECK(longest_first(2, 6, 3) == std::pair<std::size_t, std::size_t>{1, 2});
  CHECK(longest_first(4, 4, 5) == std::pair<std::size_t, std::size_t>{2, 3});  // of equals, the second keeps it
  CHECK(longest_first(0, 9, 4) == std::pair<std::size_t, std::size_t>{0, 4});
  CHECK(longest_first(3, 3, 0) == std::pair<std::size_t, std::size_t>{0, 0});
  CHECK(longest_first(9, 0, 4) == std::pair<std::size_t, std::size_t>{4, 0});  // one text alone
}

}  // namespace dsd
