#include "core/formats/gguf_tokenizer.h"

#include <cmath>

#include "core/formats/gguf_pre_tokenizer.h"
#include "core/formats/gguf_vocabulary.h"
#include "core/formats/json.h"
#include "core/formats/tokenizer_files.h"
#include "tests/formats/gguf_bytes.h"
#include "tests/formats/support.h"

using namespace dsd;
using namespace dsd::testing;

namespace {

std::string numbers(std::string_view key, GgufType type, const std::vector<float>& values) {
  std::string items;
  for (const float value : values) items += type == GgufType::f32 ? raw(value) : raw(static_cast<std::int32_t>(value));
  return gguf_entry(key, GgufType::array, gguf_array(type, values.size(), items));
}

std::string kinds(const std::vector<float>& values) {
  return numbers("tokenizer.ggml.token_type", GgufType::i32, values);
}

// A byte-level vocabulary; `more` entries follow. No entry may stand twice, so `pre`, tokens and merges are given.
std::vector<std::string> byte_level(std::vector<std::string> more = {}, const std::string& pre = "gpt-2",
                                    const std::vector<std::string>& tokens = {"<end>", "a", "b", "ab", "[PAD4]",
                                                                              "<do>"},
                                    const std::vector<std::string>& merges = {"a b"}) {
  std::vector<std::string> entries = {gguf_entry("tokenizer.ggml.model", "gpt2"), gguf_entry("tokenizer.ggml.pre", pre),
                                      gguf_texts("tokenizer.ggml.tokens", tokens),
                                      gguf_texts("tokenizer.ggml.merges", merges)};
  for (std::string& entry : more) entries.push_back(std::move(entry));
  return entries;
}

const std::vector<float> kKinds = {3, 1, 1, 1, 4, 4};

std::vector<std::string> sentence_piece(std::vector<std::string> more = {}) {
  std::vector<std::string> entries = {
      gguf_entry("tokenizer.ggml.model", "llama"),
      gguf_texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "<", "s>", "a", "é", "aé", "aa", "aéa", "éa"}),
      kinds({2, 3, 1, 1, 1, 1, 1, 1, 1, 1}),
      numbers("tokenizer.ggml.scores", GgufType::f32, {0, 0, -9, -9, -9, -9, -1, -2, -0.5f, -1}),
      gguf_entry("tokenizer.ggml.bos_token_id", 1),
      gguf_entry("tokenizer.ggml.unknown_token_id", 0u)};
  for (std::string& entry : more) entries.push_back(std::move(entry));
  return entries;
}

GgufFile parsed(const std::string& bytes) { return GgufFile::parse(as_bytes(bytes), "file"); }

Json tokenizer(const std::vector<std::string>& entries) {
  const std::string bytes = gguf(entries);
  return parse_json(gguf_tokenizer_json(parsed(bytes)), "tokenizer.json");
}

Json settings(const std::vector<std::string>& entries) {
  const std::string bytes = gguf(entries);
  return parse_json(gguf_tokenizer_config(parsed(bytes)), "tokenizer_config.json");
}

std::string refused(const std::vector<std::string>& entries) {
  return error_of([&] { tokenizer(entries); });
}

Json merges(std::initializer_list<std::pair<const char*, const char*>> pairs) {
  Json list = Json::array();
  for (const auto& [left, right] : pairs) list.push_back(Json::array({left, right}));
  return list;
}

}  // namespace

TEST_CASE("a byte-level vocabulary") {
  const Json made = tokenizer(byte_level({kinds(kKinds), gguf_entry("tokenizer.ggml.eos_token_id", 0u)}));
  CHECK(made.at("model").at("vocab").dump() == R"({"<end>":0,"a":1,"b":2,"ab":3,"[PAD4]":4,"<do>":5})");
  CHECK(made.at("model").at("merges") == merges({{"a", "b"}}));
  CHECK(made.at("model").at("type") == "BPE");
  CHECK(made.at("model").at("byte_fallback") == false);
  CHECK(made.at("model").at("ignore_merges") == false);
  CHECK(made.at("normalizer").is_null());
  CHECK(made.at("pre_tokenizer").at("type") == "ByteLevel");
  CHECK(made.at("pre_tokenizer").at("use_regex") == true);
  CHECK(made.at("post_processor").at("type") == "ByteLevel");
  CHECK(made.at("decoder").at("type") == "ByteLevel");
  const Json& added = made.at("added_tokens");  // no filler
  REQUIRE(added.size() == 2);
  CHECK(added.at(0).at("id") == 0);
  CHECK(added.at(0).at("content") == "<end>");
  CHECK(added.at(0).at("special") == true);
  CHECK(added.at(1).at("id") == 5);
  CHECK(added.at(1).at("special") == false);
  CHECK(added.at(1).at("normalized") == false);
}

TEST_CASE("a token with a role is special whatever its kind, and stands at the ends where the file says so") {
  const Json made =
      tokenizer(byte_level({gguf_entry("tokenizer.ggml.bos_token_id", 0u), gguf_entry("tokenizer.ggml.eos_token_id", 5),
                            gguf_entry("tokenizer.ggml.add_bos_token", GgufType::boolean, "\1"),
                            gguf_entry("tokenizer.ggml.add_eos_token", GgufType::boolean, "\1")}));
  CHECK(made.at("added_tokens").size() == 2);
  const Json& processor = made.at("post_processor");
  CHECK(processor.at("type") == "TemplateProcessing");
  CHECK(processor.at("single").dump() ==
        R"([{"SpecialToken":{"id":"<end>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},)"
        R"({"SpecialToken":{"id":"<do>","type_id":0}}])");
  CHECK(processor.at("pair").size() == 6);
  CHECK(processor.at("special_tokens").at("<do>").dump() == R"({"id":"<do>","ids":[5],"tokens":["<do>"]})");
}

TEST_CASE("every way to cut text that is known, and one that is not") {
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2", "deepseek-r1-qwen", "tekken", "deepseek-llm",
                           "deepseek-coder", "deepseek-v3"}) {
    CAPTURE(name);
    const Json made = tokenizer(byte_level({gguf_entry("tokenizer.ggml.bos_token_id", 0u)}, name));
    const bool llama3 = std::string_view(name) == "llama-bpe" || std::string_view(name) == "tekken";
    CHECK(made.at("model").at("ignore_merges") == llama3);
    CHECK((made.at("post_processor").at("type") == "TemplateProcessing") == llama3);
  }
  CHECK(tokenizer(byte_level({}, "qwen2")).at("normalizer").dump() == R"({"type":"NFC"})");
  CHECK(tokenizer(byte_level({}, "smollm")).at("pre_tokenizer").at("pretokenizers").at(0).dump() ==
        R"({"type":"Digits","individual_digits":true})");
  CHECK(tokenizer(byte_level({}, "deepseek-llm")).at("pre_tokenizer").at("pretokenizers").size() == 7);
  CHECK(refused(byte_level({}, "viking")) ==
        "file: 'tokenizer.ggml.pre' is 'viking'; supported: " + gguf_pre_tokenizer_names());
  CHECK(refused({gguf_entry("tokenizer.ggml.model", "gpt2")}) ==
        "file: its metadata has no 'tokenizer.ggml.pre'; expected a text");
  CHECK(refused({gguf_entry("tokenizer.ggml.model", "bert")}) ==
        "file: 'tokenizer.ggml.model' is 'bert'; supported: gpt2 (byte-level BPE), llama (SentencePiece BPE)");
}

TEST_CASE("a SentencePiece vocabulary, whose merges follow its scores") {
  const Json made = tokenizer(sentence_piece());
  CHECK(made.at("model").at("byte_fallback") == true);
  CHECK(made.at("model").at("fuse_unk") == true);
  CHECK(made.at("model").at("unk_token") == "<unk>");
  // -0.5: aéa two ways, the longer left part first; -1: aé and éa in the order of their ids; <s> is made of nothing.
  CHECK(made.at("model").at("merges") == merges({{"aé", "a"}, {"a", "éa"}, {"a", "é"}, {"é", "a"}, {"a", "a"}}));
  CHECK(made.at("normalizer").at("normalizers").at(0).at("type") == "Prepend");
  CHECK(made.at("pre_tokenizer").is_null());
  CHECK(made.at("decoder").at("decoders").size() == 4);
  CHECK(made.at("post_processor").at("single").at(0).at("SpecialToken").at("id") == "<s>");
  CHECK(made.at("added_tokens").size() == 2);

  const std::string no = std::string(1, '\0');
  const Json bare = tokenizer(sentence_piece({gguf_entry("tokenizer.ggml.add_space_prefix", GgufType::boolean, no),
                                              gguf_entry("tokenizer.ggml.add_bos_token", GgufType::boolean, no)}));
  CHECK(bare.at("normalizer").at("type") == "Replace");
  CHECK(bare.at("decoder").at("decoders").size() == 3);
  CHECK(bare.at("post_processor").is_null());
}

TEST_CASE("vocabularies that do not hold together") {
  const std::string tokens = "file: 'tokenizer.ggml.tokens'";
  CHECK(refused(byte_level({}, "gpt-2", {"a", "b", "a"}, {})) == tokens + ": tokens 0 and 2 are both 'a'");
  CHECK(refused(byte_level({}, "gpt-2", {}, {})) == tokens + " has 0 tokens; expected 1 to 16777216");
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", "a\x80"})
    CHECK(refused(byte_level({}, "gpt-2", {"a", bad}, {})) == tokens + ": token 1 is not valid UTF-8");
  for (const char* bad : {"ab", "a c", "a ", " b", "", " ", "b a", "a  b"})
    CHECK(refused(byte_level({}, "gpt-2", {"a", "b", "ab"}, {"a b", bad})) ==
          fmt::format("file: 'tokenizer.ggml.merges': merge 1 is '{}'; expected two tokens with a space between that "
                      "make a third",
                      bad));
  CHECK(refused(byte_level({kinds({1, 1})})) == "file: 'tokenizer.ggml.token_type' has 2 items for 6 tokens");
  CHECK(refused(byte_level({kinds({1, 1, 1, 1, 1, 7})})) ==
        "file: 'tokenizer.ggml.token_type' gives token 5 the type 7; expected 1 to 6");
  CHECK(refused(byte_level({gguf_entry("tokenizer.ggml.bos_token_id", 6)})) ==
        "file: 'tokenizer.ggml.bos_token_id' is 6; expected a whole number from 0 to 5");
  CHECK(refused(byte_level({gguf_entry("tokenizer.ggml.add_bos_token", GgufType::boolean, "\1")})) ==
        "file: its metadata has no 'tokenizer.ggml.bos_token_id', but adds that token");
  const auto scored = [](const std::string& token, const std::vector<float>& scores) {
    return refused({gguf_entry("tokenizer.ggml.model", "llama"), gguf_entry("tokenizer.ggml.bos_token_id", 0u),
                    gguf_texts("tokenizer.ggml.tokens", {token}),
                    numbers("tokenizer.ggml.scores", GgufType::f32, scores)});
  };
  CHECK(scored("a", {1}) == "");
  CHECK(scored("a", {1, 2}) == "file: 'tokenizer.ggml.scores' has 2 items for 1 tokens");
  CHECK(scored("a", {NAN}) == "file: 'tokenizer.ggml.scores': token 0 has no number");
  CHECK(scored(std::string(1025, 'a'), {1}) == tokens + ": token 0 has 1025 bytes; at most 1024 are read");
}

TEST_CASE("the settings beside it") {
  const Json made = settings(
      byte_level({gguf_entry("general.architecture", "llama"), gguf_entry("llama.context_length", 77),
                  gguf_entry("tokenizer.ggml.eos_token_id", 5), gguf_entry("tokenizer.ggml.padding_token_id", 0u),
                  gguf_entry("tokenizer.chat_template", "{{ 'é' }}")}));
  CHECK(made.at("eos_token") == "<do>");
  CHECK(made.at("pad_token") == "<end>");
  CHECK_FALSE(made.contains("bos_token"));
  CHECK(made.at("add_bos_token") == false);
  CHECK(made.at("chat_template") == "{{ 'é' }}");
  CHECK(made.at("model_max_length") == 77);
  CHECK(error_of([] { settings(byte_level({gguf_entry("tokenizer.chat_template", "\xff")})); }) ==
        "file: 'tokenizer.chat_template' is not valid UTF-8");
}

TEST_CASE("a GGUF file's tokenizer is carried along as files") {
  const Folder folder;
  const fs::path file = folder.write("m.gguf", gguf(byte_level()));
  fs::create_directory(folder / "out");
  copy_tokenizer_files(file, folder / "out");
  CHECK(read_text(folder / "out/tokenizer.json") == gguf_tokenizer_json(GgufFile::open(file)));
  CHECK(read_text(folder / "out/tokenizer_config.json") == gguf_tokenizer_config(GgufFile::open(file)));
}
