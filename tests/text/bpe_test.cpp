// BPE over few tokens: merging, unknown characters, files; what is wrong in its files; decoding as ids come.
#include "core/text/bpe_merge.h"
#include "core/text/byte_level.h"
#include "core/text/decode_stream.h"
#include "core/text/utf8.h"
#include "tests/text/support.h"

namespace dsd {

using namespace dsd::testing;

namespace {

struct Fault {
  const char* place;  // a JSON pointer
  const char* value;  // JSON to put there; empty: take it away
  const char* words;  // what the message says
};

std::string complaint_with(const Fault& fault) {
  nlohmann::json json = small_bpe();
  const nlohmann::json::json_pointer place(fault.place);
  if (*fault.value != '\0') json[place] = nlohmann::json::parse(fault.value);
  else json[place.parent_pointer()].erase(place.back());
  return error_of([&] { Tokenizer{parse_tokenizer_json(json.dump(), "dir/tokenizer.json")}; });
}

}  // namespace

TEST_CASE("pairs merge by rank, of equals the leftmost, many symbols as few") {
  PairTable merges(3);
  merges.add(1, 1, 0, 2);
  merges.add(2, 1, 1, 3);
  merges.add(2, 2, 2, 4);
  for (const std::size_t count : {1u, 2u, 3u, 5u, 47u, 48u, 49u, 50u, 1001u}) {
    std::vector<BpeSymbol> symbols(count, {1, 1});
    merge_symbols(merges, symbols);
    std::size_t size = 0;
    for (const BpeSymbol& symbol : symbols) size += symbol.size;
    CHECK(size == count);
    // 1s become 2s from the left; then an odd last 1 joins the 2 before it, and 2s join each other in pairs.
    const std::size_t twos = count / 2 - (count % 2 != 0 && count > 1 ? 1 : 0);
    CHECK(symbols.size() == twos / 2 + twos % 2 + count % 2);
    if (count > 5) CHECK(symbols.front().id == 4);
  }
}

TEST_CASE("byte-level BPE: ids, places, text") {
  const Tokenizer tokenizer = parse(small_bpe());
  EncodeOptions options;
  options.spans = true;
  const Encoding encoding = tokenizer.encode("lower newest", options);
  CHECK(encoding.ids == Ids{10, 11, 13, 2, 15});
  CHECK(encoding.spans == std::vector<ByteSpan>{{0, 3}, {3, 5}, {5, 8}, {8, 9}, {9, 12}});
  CHECK(tokenizer.decode(encoding.ids) == "lower newest");
  CHECK(tokenizer.encode("low\u4e2dx").ids == Ids{10});  // no token, and nothing to stand for it
  CHECK(to_byte_level(" \n\x7f") == "\u0120\u010a\u0121");
  CHECK(from_byte_level("\u0120a") == " a");
  CHECK_FALSE(from_byte_level("\u4e2d"));
  CHECK_FALSE(from_byte_level(" "));
}

TEST_CASE("vocab.json with merges.txt, prepared as the class says") {
  const Folder folder;
  folder.write("vocab.json", small_bpe()["model"]["vocab"].dump());
  const auto load = [&] { return Tokenizer::load(folder.path()); };
  CHECK(contains(error_of(load), "merges.txt: no such file"));
  folder.write("merges.txt", "#version: 0.2\nl o\nlo w\r\ne r\n");
  CHECK(contains(error_of(load), "how text is prepared for '' is not known"));
  folder.write("config.json", R"({"model_type": "gpt2"})");
  CHECK(load().encode("lower").ids == Ids{10, 11});
  CHECK(Tokenizer::load(folder.path() / "vocab.json").fingerprint() == load().fingerprint());
  CHECK(load().encode("now").ids == Ids{5, 1, 2});
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2TokenizerFast", "eos_token": "w"})");
  CHECK(load().encode("'lot").ids == Ids{9, 7});
  CHECK(load().special_ids().eos == 2);
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true})");
  CHECK(load().encode("now").ids == Ids{8, 5, 1, 2});
  folder.write("tokenizer_config.json",
               R"({"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true, "bos_token": "t"})");
  CHECK(load().encode_pair("l", "o").ids == Ids{7, 0, 7, 1});
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "OtherTokenizer"})");
  CHECK(contains(error_of(load), "how text is prepared for 'OtherTokenizer' is not known"));
  fs::remove(folder.path() / "tokenizer_config.json");
  folder.write("merges.txt", "l o\nl  o\n");
  CHECK(contains(error_of(load), "merges.txt:2: expected two tokens with a blank between, found 'l  o'"));
  folder.write("merges.txt", "l o\nl w\n");
  CHECK(contains(error_of(load), "merges.txt:2: 'lw' is not in the vocabulary"));
  fs::remove(folder.path() / "vocab.json");
  folder.write("spiece.model", "");
  CHECK(contains(error_of(load), "spiece.model: SentencePiece's files (Unigram, as T5's)"));
}

TEST_CASE("what is wrong or not supported in a BPE file is named") {
  const Fault faults[] = {
      {"/model/dropout", "0.1", "model.dropout: leaving merges out at random is not supported"},
      {"/model/dropout", "\"no\"", "model.dropout: expected a number"},
      {"/model/merges", "", "model: 'merges' is missing"},
      {"/model/merges", "{}", "model.merges: expected a list"},
      {"/model/merges", R"(["l o", "l  o"])", "model.merges: number 2: expected two tokens with a blank between"},
      {"/model/merges", R"([["l", "o"], ["l"]])", "model.merges: number 2: expected two tokens"},
      {"/model/merges", R"([["l", "x"]])", "number 1: 'x' is not in the vocabulary"},
      {"/model/merges", R"([["l", "w"]])", "number 1: 'lw' is not in the vocabulary"},
      {"/model/continuing_subword_prefix", "\"##\"", "'o' is shorter than the prefix '##'"},
      {"/model/byte_fallback", "true", "byte_fallback is not supported where ByteLevel is"},
      {"/model/surprise", "1", "model: 'surprise' is not supported"},
      {"/model/fuse_unk", "3", "model.fuse_unk: expected true or false"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "\"Odd\"", "pretokenizers[0].behavior: 'Odd' is not supported"},
      {"/pre_tokenizer/pretokenizers/0/invert", "", "pretokenizers[0]: 'invert' is missing"},
      {"/pre_tokenizer/pretokenizers/0/pattern", "{}", "pattern: expected one of 'String' and 'Regex'"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"String": ""})", "an empty pattern is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"~({"Regex": "(?<x>a)"})~", "pattern.Regex: byte 3: a group of this"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"Regex": "a*?"})", "takes as little as it can is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"Regex": "(a"})", "a '(' without its ')' is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"Regex": "[a"})", "a '[' without its ']' is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"Regex": "\\p{Klingon}"})", "'\\p{Klingon}' is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"Regex": "\\1"})", "'\\1' is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"Regex": "(a|b*)*"})", "a repeat of what may match nothing"},
      {"/pre_tokenizer/pretokenizers/0/pattern", R"({"Regex": "((a{999}){999}){9}"})", "a pattern of so many steps"},
      {"/pre_tokenizer/pretokenizers/1", R"({"type": "Digits", "individual_digits": true})", ""},
      {"/pre_tokenizer/pretokenizers/0", R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false})",
       "pre_tokenizer: ByteLevel is supported as the last step before BPE only"},
      {"/pre_tokenizer", R"({"type": "Metaspace", "replacement": "__"})", "replacement: expected one character"},
      {"/pre_tokenizer", R"({"type": "Metaspace", "replacement": "_", "add_prefix_space": false})", "do not agree"},
      {"/pre_tokenizer", R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"})",
       "prepend_scheme: 'last' is not supported (supported: always, first, never)"},
      {"/normalizer", R"({"type": "Replace", "pattern": {"Regex": "+"}, "content": ""})", "'+' at this place"},
      {"/normalizer", R"({"type": "Prepend"})", "normalizer: 'prepend' is missing"},
      {"/post_processor", R"({"type": "Sequence", "processors": [{"type": "Twice"}]})",
       "processors[0] type 'Twice' is not supported"},
      {"/decoder", R"({"type": "Strip", "content": "ab", "start": 0, "stop": 0})", "content: expected one character"},
      {"/decoder", R"({"type": "BPEDecoder", "suffix": ""})", "decoder.suffix: is empty"},
      {"/decoder", R"({"type": "Sequence", "decoders": [{"type": "CTC"}]})", "decoders[0] type 'CTC' is not supported"},
  };
  for (const Fault& fault : faults) {
    const std::string message = complaint_with(fault);
    INFO(fault.place, " = ", fault.value, " gave: ", message);
    CHECK(contains(message, fault.words));
    CHECK((message.empty() || contains(message, "dir/tokenizer.json: ")));
  }
}

TEST_CASE("an unknown token that the vocabulary lacks matters when it is needed") {
  nlohmann::json json = small_bpe();
  json["model"]["unk_token"] = "<unk>";
  const Tokenizer tokenizer = parse(json);
  CHECK(tokenizer.encode("low").ids == Ids{10});
  CHECK(contains(error_of([&] { tokenizer.encode("x"); }), "the unknown token '<unk>' is not in the vocabulary"));
}

TEST_CASE("hostile patterns and long texts end in good time") {
  nlohmann::json json = small_bpe();
  auto& pattern = json["pre_tokenizer"]["pretokenizers"][0]["pattern"];
  const std::string blanks = std::string(1000000, ' ') + "x";
  pattern = {{"Regex", "\\s+$"}};
  CHECK(parse(json).encode(blanks).ids.size() == 1000000);
  pattern = {{"Regex", "(?:l|l|lo)+(?:l|lo|o)+w"}};
  const std::string message = error_of([&] { parse(json).encode(std::string(5000, 'l')); });
  CHECK(contains(message, "takes too long on a text of 5000 bytes"));
  pattern = {{"Regex", "(?:(?:l|o)+w?)+e"}};
  CHECK(contains(error_of([&] { parse(json).encode(std::string(3000, 'o')); }), "takes too long"));
  pattern = {{"Regex", "x"}};
  CHECK(parse(json).encode(std::string(300000, 'l')).ids.size() == 300000);  // one piece of many symbols
}

TEST_CASE("a text cannot grow without end") {
  nlohmann::json json = small_bpe();
  const nlohmann::json twice = {{"type", "Replace"}, {"pattern", {{"String", "l"}}}, {"content", "ll"}};
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::vector<nlohmann::json>(64, twice)}};
  CHECK(contains(error_of([&] { parse(json).encode("l"); }), "the normaliser's 'l' makes a text many times as long"));
  json["normalizer"]["normalizers"].push_back(twice);
  CHECK(contains(error_of([&] { parse(json); }), "normalizer.normalizers: more than 64 steps are not supported"));
  json["normalizer"] = nullptr;
  json["decoder"] = {{"type", "Sequence"}, {"decoders", std::vector<nlohmann::json>(64, twice)}};
  CHECK(contains(error_of([&] { parse(json).decode(Ids{0}); }), "the decoder's 'l' makes a text many times as long"));
}

TEST_CASE("bytes that are no UTF-8 become U+FFFD, as Rust has it") {
  CHECK(valid_utf8("a\xC3\xA9") == "a\u00e9");
  CHECK(valid_utf8("\xE4\xB8") == "\uFFFD");  // the start of one character
  CHECK(valid_utf8("\xE4\xB8z") == "\uFFFDz");
  CHECK(valid_utf8("\xF0\x9F\x98\xF0") == "\uFFFD\uFFFD");
  CHECK(valid_utf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");
  CHECK(valid_utf8("\x80\xFF") == "\uFFFD\uFFFD");
}

TEST_CASE("a stream hands out whole characters") {
  nlohmann::json json = small_bpe();
  const std::string bytes[] = {to_byte_level("\xF0"), to_byte_level("\x9F\x98"), to_byte_level("\x80")};
  for (int i = 0; i < 3; ++i) json["model"]["vocab"][bytes[i]] = 16 + i;
  const Tokenizer tokenizer = parse(json);
  DecodeStream stream(tokenizer);
  CHECK(stream.push(10) == "low");
  CHECK(stream.push(16) == "");
  CHECK(stream.push(17) == "");
  CHECK(stream.push(18) == "\U0001F600");
  CHECK(stream.push(13) == " ne");
  CHECK(stream.push(16) == "");
  CHECK(stream.finish() == "\uFFFD");
  CHECK(stream.push(0) == "l");
}

}  // namespace dsd
