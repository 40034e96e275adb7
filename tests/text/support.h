#pragma once
// What the tests of text share: a folder that goes away, a small tokenizer, and the text of an expected Error.

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/text/tokenizer.h"

namespace dsd::testing {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "dsd-text-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const fs::path& path() const { return path_; }
  fs::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  fs::path path_;
};

// A whole tokenizer.json of BERT's kind over few tokens.
inline nlohmann::json small_tokenizer() {
  return nlohmann::json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                   "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 10,
              "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "un": 3, "##aff": 4, "##able": 5, "a": 6, "b": 7,
                        ",": 8, "runn": 9, "##ing": 10, "##a": 11, "##f": 12, "run": 13, "##n": 14}}})");
}

// The same of GPT-2's kind: byte-level BPE, in which all bytes of "lower newest" are tokens.
inline nlohmann::json small_bpe() {
  return nlohmann::json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": " ?[a-z]+|\\s+"}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
    "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
              "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
              "vocab": {"l": 0, "o": 1, "w": 2, "e": 3, "r": 4, "n": 5, "s": 6, "t": 7, "\u0120": 8, "lo": 9, "low": 10,
                        "er": 11, "\u0120n": 12, "\u0120ne": 13, "es": 14, "est": 15},
              "merges": [["l", "o"], ["lo", "w"], ["e", "r"], ["\u0120", "n"], ["\u0120n", "e"], ["e", "s"], ["es", "t"]]}})");
}

inline Tokenizer parse(const nlohmann::json& json) {
  return Tokenizer(parse_tokenizer_json(json.dump(), "tokenizer.json"));
}

// The message of the one Error that `run` throws; an empty text when it throws none.
template <class Run>
std::string error_of(Run&& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Compares with NAME.inp and NAME.out, as llama.cpp publishes them; the number of texts.
inline int check_published(const Tokenizer& tokenizer, const fs::path& folder, const std::string& name) {
  const std::string input = read_text(folder / (name + ".inp")), separator = "\n__ggml_vocab_test__\n";
  std::istringstream output(read_text(folder / (name + ".out")));
  EncodeOptions options;
  options.special_tokens = false;
  int compared = 0;
  for (std::size_t at = 0; at < input.size(); ++compared) {
    const std::size_t end = std::min(input.find(separator, at), input.size());
    std::string line;
    REQUIRE(std::getline(output, line));
    std::istringstream numbers(line);
    Ids wanted;
    for (std::int32_t id; numbers >> id;) wanted.push_back(id);
    const std::string text = input.substr(at, end - at);
    INFO(name, ": ", text);
    CHECK(tokenizer.encode(text, options).ids == wanted);
    at = end + separator.size();
  }
  return compared;
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace dsd::testing
