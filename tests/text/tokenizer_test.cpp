// A whole tokenizer over few tokens: ids, templates, truncation, added tokens, spans, the files it is read from.
#include "tests/text/support.h"

namespace dsd {

using namespace dsd::testing;

namespace {

nlohmann::json added(const std::string& content, int id, const nlohmann::json& flags = nlohmann::json::object()) {
  nlohmann::json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                          {"rstrip", false}, {"normalized", false}, {"special", false}};
  token.update(flags);
  return token;
}

Tokenizer with_added(const std::vector<nlohmann::json>& tokens) {
  nlohmann::json json = small_tokenizer();
  json["added_tokens"] = tokens;
  return parse(json);
}

Ids bare_ids(const Tokenizer& tokenizer, std::string_view text) {
  EncodeOptions options;
  options.special_tokens = false;
  return tokenizer.encode(text, options).ids;
}

}  // namespace

TEST_CASE("one text and a pair, with and without what stands around") {
  const Tokenizer tokenizer = parse(small_tokenizer());
  const Encoding one = tokenizer.encode("UNaffable, a");
  CHECK(one.ids == Ids{1, 3, 4, 5, 8, 6, 2});
  CHECK(one.segments == Ids(7, 0));
  CHECK(one.spans.empty());
  CHECK(tokenizer.encode("").ids == Ids{1, 2});
  const Encoding pair = tokenizer.encode_pair("a", "b b");
  CHECK(pair.ids == Ids{1, 6, 2, 7, 7, 2});
  CHECK(pair.segments == Ids{0, 0, 0, 1, 1, 1});
  EncodeOptions bare;
  bare.special_tokens = false;
  CHECK(tokenizer.encode_pair("a", "b b", bare).ids == Ids{6, 7, 7});
  CHECK(tokenizer.encode_pair("a", "b b", bare).segments == Ids{0, 1, 1});
  CHECK(tokenizer.vocab_size() == 15);
  CHECK(tokenizer.decode(Ids{3, 4, 5, 8, 6}) == "unaffable, a");
}

TEST_CASE("a template of one's own") {
  nlohmann::json json = small_tokenizer();
  json["post_processor"] = nlohmann::json::parse(R"({"type": "TemplateProcessing",
    "single": [{"Sequence": {"id": "A", "type_id": 3}}, {"SpecialToken": {"id": "end", "type_id": 4}}],
    "pair": [{"Sequence": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 1}}],
    "special_tokens": {"end": {"id": "end", "ids": [2, 1], "tokens": ["[SEP]", "[CLS]"]}}})");
  const Tokenizer tokenizer = parse(json);
  CHECK(tokenizer.encode("a b").ids == Ids{6, 7, 2, 1});
  CHECK(tokenizer.encode("a b").segments == Ids{3, 3, 4, 4});
  CHECK(tokenizer.encode_pair("a", "b").ids == Ids{7, 6});
  CHECK(tokenizer.encode_pair("a", "b").segments == Ids{0, 1});
  json["post_processor"] = nullptr;
  CHECK(parse(json).encode_pair("a", "b").segments == Ids{0, 1});
}

TEST_CASE("cut to a length") {
  nlohmann::json json = small_tokenizer();
  const Tokenizer tokenizer = parse(json);
  EncodeOptions options;
  options.max_length = 4;
  CHECK(tokenizer.encode("a b a b", options).ids == Ids{1, 6, 7, 2});
  options.max_length = 6;
  CHECK(tokenizer.encode_pair("a a a a", "b b", options).ids == Ids{1, 6, 6, 2, 7, 2});
  options.max_length = 2;
  CHECK(tokenizer.encode("a b a b", options).ids == Ids{1, 2});
  options.max_length = 1;
  CHECK(contains(error_of([&] { tokenizer.encode("a", options); }), "no room for the 2 special tokens"));
  json["truncation"] = {{"direction", "Left"}, {"max_length", 3}, {"strategy", "LongestFirst"}, {"stride", 0}};
  json["padding"] = {{"strategy", {{"Fixed", 128}}}};
  options.max_length = 4;
  CHECK(parse(json).encode("a b a , b", options).ids == Ids{1, 8, 7, 2});
  CHECK(parse(json).encode("a b a , b").ids.size() == 7);  // lengths are the caller's
}

TEST_CASE("where tokens stand") {
  EncodeOptions options;
  options.spans = true;
  const Encoding encoding = parse(small_tokenizer()).encode("  \u00c1, UNaffa!", options);
  REQUIRE(encoding.ids == Ids{1, 6, 8, 3, 4, 11, 0, 2});
  CHECK(encoding.spans == std::vector<ByteSpan>{{0, 0}, {2, 4}, {4, 5}, {6, 8}, {8, 11}, {11, 12}, {12, 13}, {0, 0}});
}

TEST_CASE("added tokens: where they are found and what they take along") {
  const nlohmann::json strip_left = {{"lstrip", true}}, strip_right = {{"rstrip", true}};
  const nlohmann::json alone = {{"single_word", true}}, normalized = {{"normalized", true}};
  CHECK(bare_ids(with_added({added("<m>", 15)}), "a<m>b <M>") == Ids{6, 15, 7, 0, 0, 0});
  CHECK(bare_ids(with_added({added("<m>", 15), added("<m>>", 16)}), "<m>>") == Ids{16});  // the longest
  CHECK(bare_ids(with_added({added("run", 13, alone)}), "run running") == Ids{13, 9, 10});
  CHECK(bare_ids(with_added({added("run", 13)}), "run running") == Ids{13, 13, 0});
  CHECK(bare_ids(with_added({added("\u00c1b", 15, normalized)}), "AB \u00e1b ab") == Ids{15, 15, 15});
  EncodeOptions options;
  options.spans = true;
  options.special_tokens = false;
  CHECK(with_added({added("<m>", 15, strip_left)}).encode("a \t<m> b", options).spans ==
        std::vector<ByteSpan>{{0, 1}, {1, 6}, {7, 8}});
  CHECK(with_added({added("<m>", 15, strip_right)}).encode("a <m> \u3000b", options).spans ==
        std::vector<ByteSpan>{{0, 1}, {2, 9}, {9, 10}});
  const Tokenizer special = with_added({added("[SEP]", 2, {{"special", true}}), added("<m>", 15)});
  CHECK(special.decode(Ids{6, 2, 15}) == "a <m>");
  CHECK(special.decode(Ids{6, 2, 15}, false) == "a [SEP] <m>");
  CHECK(special.vocab_size() == 16);
  CHECK(special.id_of("<m>") == 15);
  CHECK(special.token_of(15) == "<m>");
  CHECK_FALSE(special.token_of(16));
}

TEST_CASE("vocab.txt with its configuration") {
  const Folder folder;
  folder.write("vocab.txt", "[UNK]\r\n[CLS]\n[SEP]\na\nA\n\u00e9\ne\n[MASK]\n\u4e2d\u4e2d");
  const Tokenizer plain = Tokenizer::load(folder.path());
  CHECK(plain.encode("A \u00c9 [MASK]").ids == Ids{1, 3, 6, 7, 2});
  CHECK(plain.special_ids().cls == 1);
  CHECK(plain.special_ids().mask == 7);
  CHECK(plain.special_ids().unk == 0);
  CHECK_FALSE(plain.special_ids().pad);
  const auto with = [&](const char* config) {
    folder.write("tokenizer_config.json", config);
    return Tokenizer::load(folder.path() / "vocab.txt");
  };
  CHECK(with(R"({"do_lower_case": false})").encode("A \u00e9").ids == Ids{1, 4, 5, 2});
  CHECK(with(R"({"do_lower_case": false, "strip_accents": true})").encode("A \u00e9").ids == Ids{1, 4, 6, 2});
  CHECK(with(R"({"strip_accents": false})").encode("A \u00c9").ids == Ids{1, 3, 5, 2});
  CHECK(with(R"({"tokenize_chinese_chars": false})").encode("\u4e2d\u4e2d").ids == Ids{1, 8, 2});
  CHECK(with(R"({"sep_token": "e", "cls_token": {"content": "a"}})").encode("").ids == Ids{3, 6});
  EncodeOptions options;
  options.max_length = 3;
  CHECK(with(R"({"truncation_side": "left"})").encode("a e", options).ids == Ids{1, 6, 2});
  const char* decoder = R"({"added_tokens_decoder": {"9": {"content": "<x>", "lstrip": false, "rstrip": false,
                            "single_word": false, "normalized": false, "special": false}}})";
  CHECK(with(decoder).encode("a<x>").ids == Ids{1, 3, 9, 2});
}

TEST_CASE("equal fingerprints mean equal ids, whatever the file") {
  const Folder folder;
  folder.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n");
  nlohmann::json json = small_tokenizer();
  json["model"]["vocab"] = {{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}, {"a", 3}};
  json["model"]["max_input_chars_per_word"] = 100;
  for (const auto& [token, id] : {std::pair{"[UNK]", 0}, {"[CLS]", 1}, {"[SEP]", 2}})
    json["added_tokens"].push_back(added(token, id, {{"special", true}}));
  const Key128 same = parse(json).fingerprint();
  CHECK(Tokenizer::load(folder.path()).fingerprint() == same);
  const auto changed = [&](const char* place, const nlohmann::json& value) {
    nlohmann::json other = json;
    other[nlohmann::json::json_pointer(place)] = value;
    return parse(other).fingerprint();
  };
  CHECK(changed("/decoder", nullptr) == same);
  CHECK(changed("/truncation", {{"direction", "Right"}, {"max_length", 8}}) == same);
  CHECK(changed("/normalizer/strip_accents", true) == same);
  CHECK(changed("/normalizer/lowercase", false) != same);
  CHECK(changed("/pre_tokenizer/type", "Whitespace") != same);
  CHECK(changed("/model/vocab/b", 4) != same);
  CHECK(changed("/model/max_input_chars_per_word", 99) != same);
  CHECK(changed("/post_processor", nullptr) != same);
  CHECK(changed("/added_tokens/0/lstrip", true) != same);
}

TEST_CASE("text that is not UTF-8 is refused with the byte") {
  const Tokenizer tokenizer = parse(small_tokenizer());
  CHECK(contains(error_of([&] { tokenizer.encode("ab\xFF"); }), "byte 2 (0xff) is not valid UTF-8"));
}

}  // namespace dsd
