// Files from outside that are wrong: each gives one clear Error that names file and part, and none is guessed at.
#include "tests/text/support.h"

namespace dsd {

using namespace dsd::testing;

namespace {

std::string complaint(std::string_view text) {
  return error_of([&] { Tokenizer{parse_tokenizer_json(text, "dir/tokenizer.json")}; });
}

struct Fault {
  const char* place;  // a JSON pointer
  const char* value;  // JSON to put there; empty: take it away
  const char* words;  // what the message says
};

}  // namespace

TEST_CASE("a tokenizer.json that says what is not supported or makes no sense") {
  const Fault faults[] = {
      {"/model/type", "\"Unigram\"", "model type 'Unigram' is not supported (supported: BPE, WordPiece)"},
      {"/model/type", "\"BPE\"", "model: 'max_input_chars_per_word' is not supported"},
      {"/model/type", "7", "model.type: expected a text"},
      {"/model", "", "'model' is missing"},
      {"/model", "[]", "model: expected an object"},
      {"/model/vocab", "", "model: 'vocab' is missing"},
      {"/model/vocab", "{}", "model.vocab: has no token"},
      {"/model/vocab", "[1, 2]", "model.vocab: expected an object"},
      {"/model/vocab/a", "-1", "model.vocab.a: -1 is out of range"},
      {"/model/vocab/a", "4294967296", "model.vocab.a: 4294967296 is out of range"},
      {"/model/vocab/a", "18446744073709551615", "out of range"},
      {"/model/vocab/a", "1.5", "model.vocab.a: expected a whole number"},
      {"/model/vocab/a", "\"6\"", "model.vocab.a: expected a whole number"},
      {"/model/vocab/a", "7", "both have id 7"},
      {"/model/unk_token", "\"[NONE]\"", "model.unk_token: '[NONE]' is not in the vocabulary"},
      {"/model/unk_token", "null", "model.unk_token: expected a text"},
      {"/model/max_input_chars_per_word", "-3", "max_input_chars_per_word: -3 is out of range"},
      {"/model/dropout", "0.1", "model: 'dropout' is not supported"},
      {"/version", "\"2.0\"", "version: '2.0' is not supported"},
      {"/surprise", "1", "'surprise' is not supported"},
      {"/normalizer/type", "\"Precompiled\"", "normalizer type 'Precompiled' is not supported (supported: BertN"},
      {"/normalizer/type", "", "normalizer: 'type' is missing"},
      {"/normalizer/lowercase", "\"yes\"", "normalizer.lowercase: expected true or false"},
      {"/normalizer/lowercase", "", "normalizer: 'lowercase' is missing"},
      {"/normalizer/extra", "1", "normalizer: 'extra' is not supported"},
      {"/normalizer", R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]})",
       "normalizer.normalizers[1] type 'Nmt' is not supported"},
      {"/pre_tokenizer/type", "\"ByteLevel\"", "pre_tokenizer: 'add_prefix_space' is missing"},
      {"/pre_tokenizer/type", "\"UnicodeScripts\"", "pre_tokenizer type 'UnicodeScripts' is not supported"},
      {"/pre_tokenizer", R"({"type": "Punctuation", "behavior": "Odd"})", "behavior: 'Odd' is not supported"},
      {"/post_processor/type", "\"RobertaProcessing\"", "post_processor: 'trim_offsets' is missing"},
      {"/post_processor/type", "\"Other\"", "post_processor type 'Other' is not supported"},
      {"/post_processor/sep", "[\"[SEP]\", 99]", "post_processor.sep[1]: 99 is out of range (0 to 14)"},
      {"/post_processor/sep", "[\"[SEP]\"]", "post_processor.sep: expected a token and its id"},
      {"/post_processor", R"({"type": "TemplateProcessing", "pair": [], "special_tokens": {},
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}]})",
       "single[0].SpecialToken.id: '[CLS]' is not in special_tokens"},
      {"/post_processor", R"({"type": "TemplateProcessing", "pair": [], "special_tokens": {},
        "single": [{"Sequence": {"id": "C", "type_id": 0}}]})",
       "single[0].Sequence.id: 'C' is neither 'A' nor 'B'"},
      {"/post_processor", R"({"type": "TemplateProcessing", "pair": [], "special_tokens": {}, "single": [{}]})",
       "single[0]: expected one of"},
      {"/decoder/type", "\"CTC\"", "decoder type 'CTC' is not supported"},
      {"/added_tokens", "{}", "added_tokens: expected a list"},
      {"/added_tokens", R"([{"id": 15}])", "added_tokens[0]: 'content' is missing"},
      {"/added_tokens", R"([{"id": 15, "content": "", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": false}])",
       "added_tokens[0]: has no content"},
      {"/added_tokens", R"([{"id": 3, "content": "a", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": false}])",
       "'a' has id 3 here but 6 by the vocabulary"},
      {"/added_tokens", R"([{"id": 20, "content": "<x>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": false}])",
       "'<x>' has id 20 here but 15 by its place in the list"},
      {"/added_tokens", R"([{"id": 15, "content": "\u0301", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": true, "special": false}])",
       "nothing is left of the added token"},
      {"/truncation", R"({"direction": "Up"})", "truncation.direction: is neither"},
  };
  for (const Fault& fault : faults) {
    nlohmann::json json = small_tokenizer();
    const nlohmann::json::json_pointer place(fault.place);
    if (*fault.value != '\0') json[place] = nlohmann::json::parse(fault.value);
    else json[place.parent_pointer()].erase(place.back());
    const std::string message = complaint(json.dump());
    INFO(fault.place, " = ", fault.value, " gave: ", message);
    CHECK(contains(message, fault.words));
    CHECK(contains(message, "dir/tokenizer.json: "));
    CHECK_FALSE(contains(message, "\n"));
  }
}

TEST_CASE("a model without a type is known by its fields") {
  nlohmann::json json = small_tokenizer();
  json["model"].erase("type");
  CHECK(parse(json).encode("a").ids == Ids{1, 6, 2});
  json["model"]["merges"] = nlohmann::json::array();
  CHECK(contains(complaint(json.dump()), "model: 'max_input_chars_per_word' is not supported"));
  json["model"].erase("merges");
  json["model"].erase("max_input_chars_per_word");
  CHECK(contains(complaint(json.dump()), "model: 'type' is missing"));
}

TEST_CASE("bytes that are no JSON, or too much of it") {
  const std::string whole = small_tokenizer().dump();
  for (std::size_t size = 0; size < whole.size(); size += 7)
    CHECK(contains(complaint(whole.substr(0, size)), "not valid JSON"));
  CHECK(contains(complaint("{\"a\": tru}"), "dir/tokenizer.json: byte 10: not valid JSON"));
  CHECK(contains(complaint("{\"a\": \"\xFF\"}"), "byte 8: not valid JSON"));
  CHECK(contains(complaint(std::string(1000000, '[')), "nested deeper than 64 levels"));
  CHECK(contains(complaint("[]"), "expected an object"));
  CHECK(contains(complaint("{\"model\": {\"vocab\": {\"a\": 1, \"a\": 2}}}"), "key 'a' stands twice"));
  std::string nested = R"({"type": "NFC"})";
  for (int i = 0; i < 40; ++i) nested = R"({"type": "Sequence", "normalizers": [)" + nested + "]}";
  nlohmann::json json = small_tokenizer();
  json["normalizer"] = nlohmann::json::parse(nested);
  CHECK(contains(complaint(json.dump()), "nested deeper"));
}

TEST_CASE("folders and vocab.txt") {
  const Folder folder;
  const auto load = [&](const fs::path& path) { return error_of([&] { Tokenizer::load(path); }); };
  CHECK(contains(load(folder.path()), "has neither tokenizer.json nor vocab.txt"));
  CHECK(contains(load(folder.path() / "none.json"), "none.json: no such file or folder"));
  folder.write("vocab.txt", "");
  CHECK(contains(load(folder.path()), "vocab.txt: is empty"));
  folder.write("vocab.txt", "[UNK]\n[CLS]\n\xC3(\n");
  CHECK(contains(load(folder.path()), "vocab.txt:3: byte 12 is not valid UTF-8"));
  folder.write("vocab.txt", "[UNK]\n[CLS]\na\n");
  CHECK(contains(load(folder.path()), "vocab.txt: the token '[SEP]' is missing"));
  folder.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n");
  folder.write("tokenizer_config.json", "{\"do_lower_case\": 3}");
  CHECK(contains(load(folder.path()), "tokenizer_config.json: do_lower_case: expected true or false"));
  folder.write("tokenizer_config.json", "{");
  CHECK(contains(load(folder.path()), "tokenizer_config.json: byte 2: not valid JSON"));
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {}}})");
  CHECK(contains(load(folder.path()), "added_tokens_decoder: 'x' is not an id"));
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"2": {"content": "a", "lstrip": false,
      "rstrip": false, "single_word": false, "normalized": false, "special": false}}})");
  CHECK(contains(load(folder.path()), "the token 'a' does not have the id 2"));
}

}  // namespace dsd
